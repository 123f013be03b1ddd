import { expect, it } from 'vitest';
import { createHealth } from './health.ts';

it('leaves out checks by name or with their group, and says what it could not leave out', async () => {
  const health = createHealth();
  health.add({ name: 'etcd', group: 'etcd', check: () => {} });
  health.add({
    name: 'etcd-override-0',
    group: 'etcd',
    check() {
      throw new Error('gone');
    },
  });
  const ask = async (query: string) =>
    (await health.answer({ path: '/livez', query: new URLSearchParams(query), signal: AbortSignal.any([]) })) ?? {};
  expect(await ask('exclude=etcd')).toEqual({ status: 200, body: 'ok' });
  expect(await ask('verbose&exclude=etcd&exclude=nothing')).toEqual({
    status: 200,
    body: '[+]ping ok\n[+]etcd excluded: ok\n[+]etcd-override-0 excluded with etcd: ok\nwarn: some health checks cannot be excluded: no matches for "nothing"\nlivez check passed\n',
  });
  expect(await ask('verbose&exclude=etcd-override-0')).toMatchObject({
    body: '[+]ping ok\n[+]etcd ok\n[+]etcd-override-0 excluded: ok\nlivez check passed\n',
  });
  expect(await ask('')).toEqual({
    status: 500,
    body: '[+]ping ok\n[+]etcd ok\n[-]etcd-override-0 failed: reason withheld\nlivez check failed\n',
  });
});
