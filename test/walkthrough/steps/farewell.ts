import { expect, it } from 'vitest';
import type { CronJob, Node, PodList } from '../../../src/api/index.ts';
import { eventually } from '../../support/wait.ts';
import { json, jsonpath, k, tryK, walk } from '../walk.ts';

export function farewellSteps(): void {
  it('runs the CronJob every minute', async () => {
    await eventually('a scheduled job succeeded', async () => (await json<CronJob>('get cronjob tick')).status?.lastSuccessfulTime, 75_000);
    await k('delete cronjob tick');
  }, 90_000);

  it('keeps pods off a tainted node, and evicts with NoExecute', async () => {
    await k(`taint node ${walk.node} dedicated=me:NoSchedule`);
    await k('run waiting --image=nginx');
    await eventually(
      'it is told why',
      async () =>
        (await k('describe pod waiting')).includes('had untolerated taint(s)') ||
        (await k('describe pod waiting')).includes('had untolerated taint {dedicated: me}'),
    );
    await k(`taint node ${walk.node} dedicated-`);
    await k('wait --for=condition=Ready pod/waiting --timeout=30s');
    await k(`taint node ${walk.node} out=now:NoExecute`);
    await eventually('the pod was evicted', async () => (await tryK('get pod waiting')).code === 1, 40_000);
    await k(`taint node ${walk.node} out-`);
  }, 90_000);

  it('cordons and uncordons', async () => {
    await k(`cordon ${walk.node}`);
    expect(await k('get nodes --no-headers')).toContain('Ready,SchedulingDisabled');
    await k('run unplaced --image=nginx');
    await eventually('it is told why', async () => (await k('describe pod unplaced')).includes('1 node(s) were unschedulable'));
    await k(`uncordon ${walk.node}`);
    await k('wait --for=condition=Ready pod/unplaced --timeout=30s');
    await k('delete pod unplaced');
  });

  it('drains the node, heeding a disruption budget', async () => {
    await k('scale deploy web --replicas=1');
    await k('rollout status deploy/web --timeout=30s');
    await k('create pdb web --selector=app=web --min-available=1');
    await eventually('the budget is counted', async () => (await jsonpath('get pdb web', '{.status.currentHealthy}')) === '1');
    const refused = await tryK(`drain ${walk.node} --ignore-daemonsets --force --delete-emptydir-data --timeout=3s --pod-selector=app=web`);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("Cannot evict pod as it would violate the pod's disruption budget");
    await k('delete pdb web');
    expect(await k(`drain ${walk.node} --ignore-daemonsets --force --delete-emptydir-data --timeout=60s`)).toContain(
      `node/${walk.node} drained`,
    );
    const { items } = await json<PodList>('get pods -A');
    expect(items.filter((p) => p.spec.nodeName && !p.metadata.ownerReferences?.some((o) => o.kind === 'DaemonSet'))).toEqual([]);
    expect((await json<Node>(`get node ${walk.node}`)).spec.unschedulable).toBe(true);
    await k(`uncordon ${walk.node}`);
    await k('rollout status deploy/web --timeout=60s');
    await k('-n work wait --for=condition=Available deploy --all --timeout=60s');
  }, 120_000);

  it('deletes a namespace with everything in it', async () => {
    await k('delete namespace work --timeout=60s');
    expect((await tryK('get namespace work')).stderr).toContain('namespaces "work" not found');
    expect(await k('get all -n work -o name')).toBe('');
    expect((await tryK('delete namespace kube-system')).stderr).toContain('this namespace may not be deleted');
  }, 90_000);
}
