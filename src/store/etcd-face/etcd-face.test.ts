import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ensureEtcdPki } from '../../pki/index.ts';
import { systemClock as clock } from '../../time/index.ts';
import { storeContract } from '../contract.ts';
import { openEtcdStore } from '../etcd-store.ts';
import { openMemoryStore } from '../memory-store.ts';
import type { Store } from '../store.ts';
import { startEtcd } from '../testing/etcd.ts';
import { type EtcdFace, serveEtcd } from './index.ts';

const dir = mkdtempSync(join(tmpdir(), 'k8ts-etcd-face-'));
const pki = await ensureEtcdPki(dir, { now: Date.now() });
const clientTls = {
  ca: Buffer.from(pki.ca.certificate),
  cert: Buffer.from(pki.client.certificate),
  key: Buffer.from(pki.client.key),
};

const open: { store: Store; face: EtcdFace }[] = [];

async function serve(): Promise<{ store: Store; face: EtcdFace }> {
  const store = openMemoryStore({ clock });
  const tls = { ca: pki.ca.certificate, cert: pki.server.certificate, key: pki.server.key };
  const face = await serveEtcd({ store, clock, listen: '127.0.0.1:0', tls });
  open.push({ store, face });
  return { store, face };
}

afterEach(async () => {
  for (const { store, face } of open.splice(0)) {
    await face.close();
    await store.close();
  }
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

// What etcd does for the engine, the face must do.
storeContract('etcd engine over the face', async () => openEtcdStore({ endpoints: [(await serve()).face.address], tls: clientTls }), {
  virtualTime: false,
  watchesCompacted: false,
});

test('the engine asks the face how far its watch of a part of the keys has seen', async () => {
  const { store, face } = await serve();
  const engine = openEtcdStore({ endpoints: [face.address], tls: clientTls, keyPrefix: '/registry/' });
  const watching = engine.watch('/', { fromRevision: 2 })[Symbol.asyncIterator]();
  await engine.commit([], [{ put: '/registry/a', value: Buffer.from('1') }]);
  expect((await watching.next()).value?.events).toHaveLength(1);
  await store.commit([], [{ put: '/elsewhere', value: Buffer.from('1') }]);
  const next = watching.next();
  const revision = await engine.revision();
  expect(await next).toEqual({ done: false, value: { revision, events: [] } });
  // Nothing had to be written for it.
  expect(await engine.revision()).toBe(revision);
  await engine.close();
});

describe.runIf(spawnSync('etcdctl', ['version']).status === 0)('etcdctl', () => {
  let store: Store;
  let face: EtcdFace;
  beforeEach(async () => {
    ({ store, face } = await serve());
  });

  const run = promisify(execFile);
  const files = ['--cacert', join(dir, 'ca.crt'), '--cert', join(dir, 'client.crt'), '--key', join(dir, 'client.key')];
  const start = (args: string[], secrets = files) =>
    run('etcdctl', ['--endpoints', `https://${face.address}`, ...secrets, ...args], { env: { ...process.env, ETCDCTL_API: '3' } });
  const etcdctl = async (...args: string[]) => (await start(args)).stdout;
  const txn = async (text: string) => {
    const running = start(['txn']);
    running.child.stdin?.end(text);
    return (await running).stdout;
  };

  test('puts, gets, deletes', async () => {
    await etcdctl('put', '/registry/a', '1');
    await store.commit([], [{ put: '/registry/b', value: Buffer.from('2') }]);
    expect(await etcdctl('get', '--prefix', '--keys-only', '/registry/')).toBe('/registry/a\n\n/registry/b\n\n');
    expect(await etcdctl('get', '/registry/a', '/registry/b')).toBe('/registry/a\n1\n');
    expect(await etcdctl('get', '--from-key', '/registry/b', '--print-value-only')).toBe('2\n');
    expect(await etcdctl('get', '--prefix', '', '--sort-by=MODIFY', '--order=DESCEND', '--limit=1')).toBe('/registry/b\n2\n');
    await etcdctl('put', '/registry/a', '3');
    expect(await etcdctl('get', '--rev=2', '/registry/a', '--print-value-only')).toBe('1\n');
    expect(await etcdctl('put', '--prev-kv', '/registry/a', '4')).toBe('OK\n/registry/a\n3\n');
    expect(await etcdctl('put', '--ignore-value', '/registry/a')).toBe('OK\n');
    expect((await store.get('/registry/a'))?.value.toString()).toBe('4');
    expect(await etcdctl('del', '--prefix', '/registry/')).toBe('2\n');
    expect((await store.range('')).values).toEqual([]);
  });

  test('transactions happen as a whole or not at all', async () => {
    expect(await txn('mod("/a") = "0"\n\nput /a 1\nput /b 1\n\nget /a\n\n')).toBe('SUCCESS\n\nOK\n\nOK\n');
    expect(await store.revision()).toBe(2);
    expect(await txn('value("/a") = "2"\n\nput /a 3\n\ndel /b\nget --prefix /\n\n')).toBe('FAILURE\n\n1\n\n/a\n1\n');
    await expect(txn('version("/a") > "0"\n\nput /a 2\nput /a 3\n\n\n')).rejects.toThrow('etcdserver: duplicate key given in txn request');
    await expect(txn('version("/a") > "0"\n\nput /c 2\nput --lease=77 /a 3\n\n\n')).rejects.toThrow(
      'etcdserver: requested lease not found',
    );
    expect(await store.get('/c')).toBeUndefined();
    expect(await store.revision()).toBe(3);
  });

  test('watches see what is written anywhere, from any revision that is kept', async () => {
    await etcdctl('put', '/a', '1');
    const watching = start(['watch', '--prefix', '--prev-kv', '--rev=2', '/']);
    let seen = '';
    const told = (async () => {
      for await (const chunk of watching.child.stdout ?? []) {
        seen += chunk;
        if (seen.includes('DELETE')) return;
      }
    })();
    await store.commit([], [{ put: '/a', value: Buffer.from('2') }]);
    await store.commit([], [{ delete: '/a' }]);
    await told;
    watching.child.kill();
    await watching.catch(() => {});
    expect(seen).toBe('PUT\n/a\n1\nPUT\n/a\n1\n/a\n2\nDELETE\n/a\n2\n/a\n\n');
    await etcdctl('compact', '4');
    await expect(start(['watch', '--rev=2', '/a'])).rejects.toThrow('etcdserver: mvcc: required revision has been compacted');
    await expect(start(['get', '--rev=2', '/a'])).rejects.toThrow('etcdserver: mvcc: required revision has been compacted');
    await expect(start(['get', '--rev=99', '/a'])).rejects.toThrow('etcdserver: mvcc: required revision is a future revision');
  });

  test('leases hold keys until they are revoked', async () => {
    const id = /^lease (\w+) granted with TTL\(60s\)/.exec(await etcdctl('lease', 'grant', '60'))?.[1] ?? '';
    await etcdctl('put', `--lease=${id}`, '/l', 'x');
    expect(await etcdctl('lease', 'timetolive', id, '--keys')).toContain('attached keys([/l])');
    expect(await etcdctl('lease', 'keep-alive', '--once', id)).toContain('keepalived with TTL(60)');
    expect(await etcdctl('lease', 'list')).toContain(id);
    await etcdctl('lease', 'revoke', id);
    expect(await etcdctl('get', '/l')).toBe('');
    expect(await etcdctl('lease', 'timetolive', id)).toContain('already expired');
  });

  test('health, status and members are those of an etcd of one', async () => {
    expect((await start(['endpoint', 'health'])).stderr + (await etcdctl('endpoint', 'health'))).toContain('is healthy');
    expect(await etcdctl('endpoint', 'status', '-w', 'table')).toMatch(/\| +true \| +false \|/);
    expect(await etcdctl('member', 'list')).toContain(`started, k8ts, https://${face.address}`);
    expect(await etcdctl('defrag')).toContain('Finished defragmenting');
    await expect(start(['user', 'list'])).rejects.toThrow('etcdserver: authentication is not enabled');
  });

  test('who has no certificate of its authority is not let in', async () => {
    await expect(start(['--command-timeout=1s', 'get', '/a'], ['--cacert', join(dir, 'ca.crt')])).rejects.toThrow('Error');
  });

  test('a snapshot becomes a real etcd with the same objects at the same revision', async () => {
    for (let i = 0; i < 300; i++) await store.commit([], [{ put: `/registry/pods/default/p${i}`, value: Buffer.from('x'.repeat(i * 40)) }]);
    await store.commit([], [{ delete: '/registry/pods/default/p7' }]);
    const file = join(dir, 'snapshot.db');
    await etcdctl('snapshot', 'save', file);
    expect(await etcdctl('snapshot', 'status', file, '-w', 'json')).toContain('"totalKey"');
    const dataDir = join(dir, 'restored');
    await etcdctl('snapshot', 'restore', file, '--data-dir', dataDir);
    const etcd = await startEtcd({ dataDir });
    const restored = openEtcdStore({ endpoints: [etcd.address] });
    const [ours, theirs] = await Promise.all([store.range(''), restored.range('')]);
    expect(theirs.values).toEqual(ours.values);
    expect(theirs.revision).toBe(ours.revision);
    await restored.close();
    await etcd.remove();
  });
});
