import { expect, it } from 'vitest';
import type { Pod } from '../../../src/api/index.ts';
import { eventually } from '../../support/wait.ts';
import { followKubectl, json, jsonpath, k, manifest, tryK } from '../walk.ts';

export function podSteps(): void {
  it('runs a pod and shows it in every form', async () => {
    expect(await k('run redis --image=redis:alpine')).toBe('pod/redis created\n');
    await k('wait --for=condition=Ready pod/redis --timeout=60s');
    expect(await k('get pods --no-headers')).toMatch(/^redis\s+1\/1\s+Running\s+0\s+\d+s\n$/);
    const pod = await json<Pod>('get pod redis');
    expect(pod.status?.podIP).toMatch(/^10\.244\.0\.\d+$/);
    expect(pod.status?.containerStatuses?.[0]).toMatchObject({
      image: 'docker.io/library/redis:alpine',
      imageID: expect.stringMatching(/^docker\.io\/library\/redis@sha256:/),
      containerID: expect.stringMatching(/^containerd:\/\/[0-9a-f]{64}$/),
      state: { running: {} },
    });
    expect(pod.status?.qosClass).toBe('BestEffort');
    expect(await jsonpath('get pods -l run=redis', '{.items[*].status.podIP}')).toBe(pod.status?.podIP);
    expect(await k('get pods -o custom-columns=NAME:.metadata.name,IMAGE:.spec.containers[0].image --no-headers')).toMatch(
      /^redis\s+redis:alpine\n$/,
    );
    expect(await k('get pods -o wide --no-headers')).toContain(`${pod.status?.podIP}`);
    expect(await k('get pods -o name')).toBe('pod/redis\n');
    expect(await k('get pods --field-selector status.phase=Running -o name')).toBe('pod/redis\n');
  });

  it('tells the story of the pod in events', async () => {
    const text = await eventually('the pod has its events', async () => {
      const description = await k('describe pod redis');
      // Not the container's time of that name.
      return /Container started/.test(description) && description;
    });
    const told = [...text.slice(text.indexOf('Events:')).matchAll(/Normal\s+(\w+)\s+.*?\s+(default-scheduler|kubelet)\s+(.*)/g)];
    expect(told.map(([, reason, from]) => `${from} ${reason}`)).toEqual([
      'default-scheduler Scheduled',
      'kubelet Pulling',
      'kubelet Pulled',
      'kubelet Created',
      'kubelet Started',
    ]);
    expect(text).toContain('Successfully assigned default/redis to ');
    expect(text).toContain('Pulling image "redis:alpine"');
    expect(text).toMatch(/Successfully pulled image "redis:alpine" in .* Image size: \d+ bytes\./);
    expect(await k('get events --field-selector involvedObject.name=redis,reason=Scheduled --no-headers')).toMatch(
      /Normal\s+Scheduled\s+pod\/redis\s+Successfully assigned/,
    );
  });

  it('runs init containers, a sidecar, hooks and probes, and gives the container its environment and volumes', async () => {
    await k(`apply -f ${manifest('client.yaml')} -f ${manifest('whole-pod.yaml')}`);
    await k('wait --for=condition=Ready pod/whole pod/client --timeout=60s');
    expect(await k('get pod whole --no-headers')).toMatch(/^whole\s+2\/2\s+Running/);
    expect(await k('logs whole -c main')).toBe('prepared\nup\n');
    const pod = await json<Pod>('get pod whole');
    expect(pod.status?.qosClass).toBe('Burstable');
    expect(pod.status?.initContainerStatuses?.map((s) => s.state?.terminated?.reason ?? `started ${s.started}`)).toEqual([
      'Completed',
      'started true',
    ]);
    const environment = (await k('exec whole -c main -- env')).split('\n');
    expect(environment).toEqual(
      expect.arrayContaining([
        'COLOUR=blue',
        'PASSWORD=s3cret',
        'POD_NAME=whole',
        `POD_IP=${pod.status?.podIP}`,
        'CPU_LIMIT=1',
        'COMPOSED=blue-whole',
        'CFG_colour=blue',
        'KUBERNETES_SERVICE_HOST=10.96.0.1',
        'HOSTNAME=whole',
      ]),
    );
    const read = (path: string) => k(`exec whole -c main -- cat ${path}`);
    expect(await read('/etc/settings/greeting.txt')).toBe('hello from a file');
    expect(await read('/etc/keys/password')).toBe('s3cret');
    expect(await read('/etc/everything/words/greeting')).toBe('hello from a file');
    expect((await read('/etc/everything/token')).split('.')).toHaveLength(3);
    expect(await read('/etc/about/labels')).toBe('app="whole"');
    expect(await read('/etc/about/note')).toBe('written down');
    expect(await read('/var/run/secrets/kubernetes.io/serviceaccount/namespace')).toBe('default');
    expect(await read('/work/hook')).toBe('started\n');
    expect(await k('exec whole -c main -- id -u')).toBe('1234\n');
  });

  it('lets a pod speak to the API with its own token', async () => {
    await k('run asker --image=taobeier/saythx-be --command -- sleep 3600');
    await k('wait --for=condition=Ready pod/asker --timeout=30s');
    const dir = '/var/run/secrets/kubernetes.io/serviceaccount';
    const program = `
      const authorization = 'Bearer ' + require('fs').readFileSync('${dir}/token', 'utf8');
      fetch('https://kubernetes.default.svc/api/v1/namespaces/default/pods', { headers: { authorization } })
        .then(async (response) => console.log(response.status, (await response.json()).kind));`;
    const ask = () => k('exec asker -- env', `NODE_EXTRA_CA_CERTS=${dir}/ca.crt`, 'node', '-e', program);
    expect(await ask()).toBe('403 Status\n');
    await k('create rolebinding client --clusterrole=view --serviceaccount=default:default');
    expect(await ask()).toBe('200 PodList\n');
    await k('delete pod asker --grace-period=1');
  });

  it('brings a changed ConfigMap into the running container', async () => {
    await k('patch configmap settings -p', '{"data":{"greeting.txt":"changed"}}');
    await k('annotate pod whole note=changed --overwrite');
    await eventually(
      'the files follow',
      async () => {
        const files = await k('exec whole -c main -- cat /etc/settings/greeting.txt /etc/about/note');
        return files === 'changedchanged';
      },
      50_000,
    );
  }, 90_000);

  it('stops a pod in order: hook, signal, and the sidecar last', async () => {
    const logs = followKubectl('logs -f whole -c main');
    await logs.saw(/prepared/);
    const begin = performance.now();
    expect(await k('delete pod whole')).toBe('pod "whole" deleted from default namespace\n');
    expect(performance.now() - begin).toBeLessThan(10_000);
    expect(logs.output).toContain('stopping');
    await logs.stop();
    expect((await tryK('get pod whole')).stderr).toBe('Error from server (NotFound): pods "whole" not found\n');
    const events = await k('get events --field-selector involvedObject.name=whole,reason=Killing -o jsonpath={.items[*].message}');
    expect(events).toContain('Stopping container main');
    expect(events).toContain('Stopping container sidecar');
  });
}
