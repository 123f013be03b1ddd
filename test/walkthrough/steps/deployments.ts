import { expect, it } from 'vitest';
import type { Deployment, PodList, ReplicaSetList } from '../../../src/api/index.ts';
import { eventually } from '../../support/wait.ts';
import { follow, followKubectl, json, jsonpath, k, manifest, tryK, walk } from '../walk.ts';

const images = async (selector: string) =>
  (await json<PodList>(`get pods -l ${selector} --field-selector status.phase=Running`)).items
    .filter((p) => !p.metadata.deletionTimestamp)
    .map((p) => p.spec.containers[0]?.image);

export function deploymentSteps(): void {
  it('creates a deployment, its ReplicaSet and its pod', async () => {
    expect(await k('create deployment hello --image=nginx --replicas=1')).toBe('deployment.apps/hello created\n');
    expect(await k('rollout status deploy/hello --timeout=60s')).toContain('deployment "hello" successfully rolled out');
    const [replicaSet] = (await json<ReplicaSetList>('get rs -l app=hello')).items;
    const hash = replicaSet?.metadata.labels?.['pod-template-hash'];
    expect(replicaSet?.metadata.name).toBe(`hello-${hash}`);
    expect(await jsonpath('get pods -l app=hello', '{.items[0].metadata.name}')).toMatch(new RegExp(`^hello-${hash}-[a-z0-9]{5}$`));
    const all = await k('get all -o wide');
    for (const name of ['pod/redis', 'pod/hello-', 'service/kubernetes', 'deployment.apps/hello', 'replicaset.apps/hello-'])
      expect(all).toContain(name);
    expect(all).toMatch(/NAME\s+READY\s+UP-TO-DATE\s+AVAILABLE\s+AGE\s+CONTAINERS\s+IMAGES\s+SELECTOR\n/);
  });

  it('scales up and down, seen by get -w', async () => {
    const watching = followKubectl('get deploy hello -w --no-headers');
    await watching.saw(/hello\s+1\/1/);
    expect(await k('scale deploy/hello --replicas=3')).toBe('deployment.apps/hello scaled\n');
    await watching.saw(/hello\s+3\/3\s+3\s+3/);
    await k('scale deploy/hello --replicas=1 --current-replicas=3');
    await watching.saw(/hello\s+1\/1[\s\S]*3\/3[\s\S]*hello\s+1\/1/);
    await watching.stop();
  });

  it('replaces a deleted pod', async () => {
    // Those that the last scaling down took are on their way out.
    const before = await eventually('one pod is left after scaling', async () => {
      const { items } = await json<PodList>('get pods -l app=hello');
      return items.length === 1 ? items[0]?.metadata.name : undefined;
    });
    await k(`delete pod ${before} --wait=false`);
    await eventually('another pod is ready', async () => {
      const { items } = await json<PodList>('get pods -l app=hello');
      return items.some((p) => p.metadata.name !== before && p.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True'));
    });
    await k('delete deploy hello');
    await eventually('its ReplicaSet and pods are collected', async () => (await k('get rs,pods -l app=hello -o name')) === '');
  });

  it('rolls out a new version without refusing a request', async () => {
    await k(`apply -f ${manifest('web.yaml')}`);
    await k('rollout status deploy/web --timeout=60s');
    await k('expose deploy/web');
    const ip = await jsonpath('get svc web', '{.spec.clusterIP}');
    const ask = `timeout 2 wget -qO- http://${ip}/ >/dev/null`;
    // A new service's address is of use when the proxy has written its rules.
    const asking = `until ${ask}; do sleep 0.1; done 2>/dev/null; while :; do ${ask} && echo answered || echo refused; sleep 0.02; done`;
    const load = followKubectl('exec client -- sh -c', asking);
    await load.saw(/answered/);
    await k('set image deploy/web nginx=nginx:1.22');
    expect(await k('rollout status deploy/web --timeout=60s')).toMatch(
      /Waiting for deployment "web" rollout to finish: [\s\S]*successfully rolled out/,
    );
    await load.stop();
    expect(load.output.match(/answered/g)?.length).toBeGreaterThan(20);
    expect(load.output).not.toContain('refused');
    expect(new Set(await images('app=web'))).toEqual(new Set(['nginx:1.22']));
  });

  it('keeps a history and goes back', async () => {
    await k('annotate deploy/web kubernetes.io/change-cause=nginx-1.22');
    expect(await k('rollout history deploy/web')).toMatch(/REVISION\s+CHANGE-CAUSE\n1\s+<none>\n2\s+nginx-1.22\n/);
    expect(await k('rollout history deploy/web --revision=1')).toMatch(/Image:\s+nginx\n/);
    expect(await k('rollout undo deploy/web')).toBe('deployment.apps/web rolled back\n');
    await k('rollout status deploy/web --timeout=60s');
    expect(new Set(await images('app=web'))).toEqual(new Set(['nginx']));
    expect(await k('rollout history deploy/web')).toMatch(/\n2\s[\s\S]*\n3\s/);
  });

  it('pauses, resumes and restarts', async () => {
    await k('rollout pause deploy/web');
    await k('set image deploy/web nginx=nginx:1.22');
    const generation = (await json<Deployment>('get deploy web')).metadata.generation;
    await eventually(
      'the controller has seen it',
      async () => (await json<Deployment>('get deploy web')).status?.observedGeneration === generation,
    );
    expect(await json<ReplicaSetList>('get rs -l app=web')).toMatchObject({ items: { length: 2 } });
    expect(new Set(await images('app=web'))).toEqual(new Set(['nginx']));
    expect((await tryK('rollout restart deploy/web')).stderr).toContain("can't restart paused deployment (run rollout resume first)");
    await k('rollout resume deploy/web');
    await k('rollout status deploy/web --timeout=60s');
    expect(new Set(await images('app=web'))).toEqual(new Set(['nginx:1.22']));
    const before = await jsonpath('get pods -l app=web', '{.items[*].metadata.uid}');
    expect(await k('rollout restart deploy/web')).toBe('deployment.apps/web restarted\n');
    await k('rollout status deploy/web --timeout=60s');
    const { items } = await json<PodList>('get pods -l app=web');
    for (const pod of items.filter((p) => !p.metadata.deletionTimestamp)) expect(before).not.toContain(pod.metadata.uid);
  });

  it('adds a canary behind the same service by labels', async () => {
    await k('patch svc web -p', '{"spec":{"selector":{"track":null}}}');
    await k(`apply -f ${manifest('web-canary.yaml')}`);
    await k('rollout status deploy/web-canary --timeout=60s');
    const canary = await jsonpath('get pods -l track=canary', '{.items[0].metadata.name}');
    const ip = await jsonpath('get svc web', '{.spec.clusterIP}');
    await eventually('the canary answers some of the requests', async () => {
      const asked = follow('sh', ['-c', `for i in $(seq 20); do curl -s -m 2 http://${ip}/; done; echo done`], walk.env);
      const output = await asked.saw(/done/).then(() => asked.output);
      await asked.stop();
      return output.includes(canary) && output.replaceAll(canary, '').includes('web-');
    });
    await k('delete deploy web-canary');
  });
}
