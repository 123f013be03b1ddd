import { spawnSync } from 'node:child_process';
import { afterEach, describe, expect, test } from 'vitest';
import { VirtualClock } from '../time/index.ts';
import { compactRegularly } from './compactor.ts';
import { storeContract } from './contract.ts';
import { openEtcdStore } from './etcd-store.ts';
import { isProgressReliable } from './etcd-watch.ts';
import type { WatchBatch } from './store.ts';
import { type EtcdProcess, freePorts, startEtcd, startEtcdCluster } from './testing/etcd.ts';

/** It keeps its own time. */
const asEtcd = { virtualTime: false, watchesCompacted: false };

const running: EtcdProcess[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((etcd) => etcd.remove()));
});

async function etcd(args: readonly string[] = []): Promise<string> {
  const started = await startEtcd({ args });
  running.push(started);
  return started.address;
}

describe.runIf(spawnSync('etcd', ['--version']).status === 0)('with a real etcd', () => {
  storeContract('etcd', async () => openEtcdStore({ endpoints: [await etcd()] }), asEtcd);

  storeContract('etcd, of a part of its keys', async () => openEtcdStore({ endpoints: [await etcd()], keyPrefix: '/' }), asEtcd);

  test('an etcd that is not there is an error that names it', async () => {
    const store = openEtcdStore({ endpoints: [`127.0.0.1:${(await freePorts(1))[0]}`], patienceMs: 200 });
    await expect(store.get('/a')).rejects.toThrow(/^etcd at 127\.0\.0\.1:\d+: Range: /);
    await store.close();
  });

  test('a cluster that loses one member after another loses no write and no event', async () => {
    const members = await startEtcdCluster(3);
    running.push(...members);
    const store = openEtcdStore({ endpoints: members.map((m) => m.address) });
    await store.commit([], [{ put: '/begin', value: Buffer.from('') }]);
    const stop = new AbortController();
    const watched: string[] = [];
    const watching = (async () => {
      for await (const { events } of store.watch('/n/', { fromRevision: 2, signal: stop.signal }))
        for (const event of events) watched.push(event.key);
    })();
    const written: string[] = [];
    let next = 0;
    const write = async (count: number) => {
      for (const end = next + count; next < end; next++) {
        const key = `/n/${next}`;
        const done = await store.commit([{ key, modRevision: 0 }], [{ put: key, value: Buffer.from('x') }]).catch(() => undefined);
        if (done?.ok) written.push(key);
      }
    };
    await write(20);
    for (const member of members) {
      await Promise.all([member.kill(), write(20)]);
      await write(20);
      await member.restart();
    }
    const kept = (await store.range('/n/')).values.map((v) => v.key);
    expect(kept).toEqual(expect.arrayContaining(written));
    expect(written.length).toBeGreaterThan(100);
    await expect.poll(() => watched.length, { timeout: 10_000 }).toBe(kept.length);
    expect([...watched].sort()).toEqual([...kept].sort());
    stop.abort();
    await watching;
    await store.close();
  }, 40_000);

  test('a deletion in the revision that was compacted to is never passed over', async () => {
    const store = openEtcdStore({ endpoints: [await etcd()] });
    await store.commit([], [{ put: '/a', value: Buffer.from('1') }]);
    const { revision } = await store.commit([], [{ delete: '/a' }]);
    await store.commit([], [{ put: '/b', value: Buffer.from('1') }]);
    await store.compact(revision);
    // etcd itself would tell of /b alone.
    const first = store.watch('/', { fromRevision: revision })[Symbol.asyncIterator]().next();
    await expect(first).rejects.toMatchObject({ name: 'CompactedError' });
    const later = await store
      .watch('/', { fromRevision: revision + 1 })
      [Symbol.asyncIterator]()
      .next();
    expect(later.value).toMatchObject({ revision: revision + 1, events: [{ type: 'put', key: '/b' }] });
    await store.close();
  });

  test('a member that says nothing any more is left, with the watch', async () => {
    const members = await startEtcdCluster(3);
    running.push(...members);
    const store = openEtcdStore({ endpoints: members.map((m) => m.address) });
    const fromRevision = (await store.revision()) + 1;
    const watching = store.watch('/', { fromRevision })[Symbol.asyncIterator]();
    await store.commit([], [{ put: '/a', value: Buffer.from('1') }]);
    expect((await watching.next()).value?.events[0]?.key).toBe('/a');
    // The one that it talks to, as if it were cut off: connections stand, nothing comes.
    members[0]?.child.kill('SIGSTOP');
    try {
      expect((await store.get('/a'))?.value.toString()).toBe('1');
      const next = watching.next();
      await expect.poll(async () => (await store.commit([], [{ put: '/b', value: Buffer.from('2') }])).ok, { timeout: 10_000 }).toBe(true);
      expect((await next).value?.events[0]?.key).toBe('/b');
    } finally {
      members[0]?.child.kill('SIGCONT');
    }
    await store.close();
  }, 40_000);

  /** An etcd with a user `root`, and `cluster`, who may read and write what is below /registry/. */
  async function withUsers(): Promise<{ address: string; ctl: (...args: string[]) => void }> {
    const address = await etcd();
    const ctl = (...args: string[]) => {
      const done = spawnSync('etcdctl', ['--endpoints', address, ...args], { env: { ...process.env, ETCDCTL_API: '3' }, encoding: 'utf8' });
      if (done.status !== 0) throw new Error(done.stderr);
    };
    ctl('user', 'add', 'root:secret');
    ctl('user', 'grant-role', 'root', 'root');
    ctl('user', 'add', 'cluster:password');
    ctl('role', 'add', 'cluster');
    ctl('role', 'grant-permission', '--prefix', 'cluster', 'readwrite', '/registry/');
    ctl('user', 'grant-role', 'cluster', 'cluster');
    ctl('auth', 'enable');
    return { address, ctl: (...args) => ctl('--user', 'root:secret', ...args) };
  }

  test("etcd's users are let in by password", async () => {
    const { address } = await withUsers();
    const denied = openEtcdStore({ endpoints: [address] });
    await expect(denied.get('/a')).rejects.toThrow('etcdserver: user name is empty');
    await denied.close();
    const store = openEtcdStore({ endpoints: [address], user: { name: 'root', password: 'secret' } });
    const fromRevision = (await store.revision()) + 1;
    const watching: AsyncIterator<WatchBatch> = store.watch('/', { fromRevision })[Symbol.asyncIterator]();
    const first = watching.next();
    await store.commit([], [{ put: '/a', value: Buffer.from('1') }]);
    expect((await first).value?.events[0]?.key).toBe('/a');
    await store.close();
  });

  test('a user of a part of the keys watches and compacts, and learns how far it has seen, though others write elsewhere', async () => {
    const { address, ctl } = await withUsers();
    const user = { name: 'cluster', password: 'password' };
    const store = openEtcdStore({ endpoints: [address], user, keyPrefix: '/registry/' });
    await expect(store.get('/elsewhere')).rejects.toThrow('etcdserver: permission denied');
    const fromRevision = (await store.revision()) + 1;
    const watching = store.watch('/', { fromRevision })[Symbol.asyncIterator]();
    const seen: string[] = [];
    const readUntil = async (revision: number) => {
      for (;;) {
        const { value, done } = await watching.next();
        if (done) throw new Error('the watch ended');
        seen.push(...value.events.map((event) => event.key));
        if (value.revision >= revision) return;
      }
    };
    await store.commit([], [{ put: '/registry/a', value: Buffer.from('1') }]);
    ctl('put', '/elsewhere', '1');
    const revision = await store.revision();
    expect(revision).toBe(fromRevision + 1);
    await readUntil(revision);
    expect(seen.filter((key) => !key.endsWith('k8ts-watch-progress'))).toEqual(['/registry/a']);
    const clock = new VirtualClock();
    const stop = new AbortController();
    const errors: unknown[] = [];
    const options = {
      store,
      clock,
      signal: stop.signal,
      intervalMs: 1000,
      keyPrefix: '/registry/',
      onError: (e: unknown) => errors.push(e),
    };
    const compacting = compactRegularly(options);
    await expect
      .poll(async () => {
        await clock.advance(1000);
        return store.get('/registry/a', { revision }).then(
          () => 'kept',
          (error) => error.name,
        );
      })
      .toBe('CompactedError');
    stop.abort();
    await clock.advance(1000);
    await compacting;
    expect(errors).toEqual([]);
    await store.close();
  });
});

test.each([
  ['3.4.23', false],
  ['3.4.25', true],
  ['3.4.25-rc.1', true],
  ['3.5.7', false],
  ['3.5.8', true],
  ['3.6.0', true],
  ['3.3.99', false],
  ['4.0.0', true],
  ['', false],
])('the progress that etcd %s tells of can be relied on: %s', (version, reliable) => {
  expect(isProgressReliable(version)).toBe(reliable);
});
