import { expect, it } from 'vitest';
import type { Job, PodList } from '../../../src/api/index.ts';
import { eventually } from '../../support/wait.ts';
import { inClient, json, jsonpath, k, manifest, walk } from '../walk.ts';

export function controllerSteps(): void {
  it('runs a Job to its completions, and one to its end', async () => {
    await k(`apply -f ${manifest('cronjob.yaml')} -f ${manifest('controllers.yaml')}`);
    await k('wait --for=condition=Complete job/count --timeout=60s');
    expect(await k('get job count --no-headers')).toMatch(/count\s+Complete\s+3\/3\s+\d+s/);
    expect((await json<Job>('get job count')).status).toMatchObject({ succeeded: 3 });
    expect(await k('logs -l job-name=count')).toBe('counted\n'.repeat(3));
    expect(await k('get pods -l job-name=count --no-headers')).toMatch(/count-\w+\s+0\/1\s+Completed/);
    await k('wait --for=condition=Failed job/failing --timeout=60s');
    expect(await jsonpath('get job failing', '{.status.conditions[?(@.type=="Failed")].reason}')).toBe('BackoffLimitExceeded');
  });

  it('makes a Job of a CronJob on demand', async () => {
    await k('create job now --from=cronjob/tick');
    await k('wait --for=condition=Complete job/now --timeout=60s');
    expect(await k('logs job/now')).toBe('tick\n');
    expect(await k('get cronjob tick --no-headers')).toMatch(/tick\s+\* \* \* \* \*\s+<none>\s+False/);
  });

  it('runs a DaemonSet on the node', async () => {
    await k('rollout status ds/everywhere --timeout=60s');
    expect(await k('get ds everywhere --no-headers')).toMatch(/everywhere\s+1\s+1\s+1\s+1\s+1/);
    expect(await jsonpath('get pods -l app=everywhere', '{.items[0].spec.nodeName}')).toBe(walk.node);
  });

  it('gives the pods of a StatefulSet names that last', async () => {
    await k('rollout status sts/db --timeout=60s');
    const before = await json<PodList>('get pods -l app=db');
    expect(before.items.map((p) => p.metadata.name)).toEqual(['db-0', 'db-1']);
    await eventually('db-0 has a name in DNS', async () =>
      (await inClient('nslookup db-0.db.default.svc.cluster.local')).includes(`Address: ${before.items[0]?.status?.podIP}`),
    );
    await k('delete pod db-0');
    await k('rollout status sts/db --timeout=60s');
    await k('wait --for=condition=Ready pod/db-0 --timeout=30s');
    expect(await jsonpath('get pod db-0', '{.metadata.uid}')).not.toBe(before.items[0]?.metadata.uid);
    await k('scale sts db --replicas=1');
    await eventually('the last goes first', async () => (await k('get pods -l app=db -o name')) === 'pod/db-0\n');
  });

  it('deletes what an owner owned, or orphans it', async () => {
    await k('delete job count failing now');
    await eventually('their pods are gone', async () => (await k('get pods -o name -l', 'job-name in (count,failing,now)')) === '');
    const uid = await jsonpath('get pods -l app=everywhere', '{.items[0].metadata.uid}');
    await k('delete ds everywhere --cascade=orphan');
    expect(await jsonpath('get pods -l app=everywhere', '{.items[0].metadata.uid}')).toBe(uid);
    await k('delete pods -l app=everywhere');
  });
}
