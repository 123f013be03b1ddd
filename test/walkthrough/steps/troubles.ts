import { expect, it } from 'vitest';
import type { Pod } from '../../../src/api/index.ts';
import { eventually } from '../../support/wait.ts';
import { json, k, manifest } from '../walk.ts';

const pod = (name: string) => json<Pod>(`get pod ${name}`);
const row = (name: string) => k(`get pod ${name} --no-headers`);
const events = (name: string) =>
  k(`get events --field-selector involvedObject.name=${name}`, '-o', 'jsonpath={range .items[*]}{.type} {.reason}: {.message}{"\\n"}{end}');

/** Waits until an event of the pod reads so. */
const saw = (name: string, pattern: RegExp, timeoutMs = 30_000) =>
  eventually(`event ${pattern} of ${name}`, async () => pattern.test(await events(name)), timeoutMs);

export function troubleSteps(): void {
  it('says what is wrong with an image that does not exist', async () => {
    await k(`apply -f ${manifest('troubles.yaml')}`);
    await saw(
      'no-such-image',
      /Warning Failed: Failed to pull image "nobody\/nothing:1": .*failed to resolve reference "docker.io\/nobody\/nothing:1"/,
    );
    await saw('no-such-image', /Warning Failed: Error: ErrImagePull/);
    await saw('no-such-image', /Normal BackOff: Back-off pulling image "nobody\/nothing:1"/);
    await eventually('ImagePullBackOff', async () => /0\/1\s+(ImagePullBackOff|ErrImagePull)\s+0/.test(await row('no-such-image')));
    expect((await pod('no-such-image')).status).toMatchObject({ phase: 'Pending' });
    await saw('never-pulled', /Warning ErrImageNeverPull: Container image "nobody\/nothing:1" is not present with pull policy of Never/);
    expect(await row('never-pulled')).toMatch(/ErrImageNeverPull/);
  });

  it('says why containers do not start', async () => {
    await saw('missing-config', /Warning Failed: Error: configmap "nowhere" not found/);
    expect(await row('missing-config')).toMatch(/0\/1\s+CreateContainerConfigError\s+0/);
    await saw('too-big', /Warning FailedScheduling: 0\/1 nodes are available: 1 Insufficient cpu\./);
    expect(await row('too-big')).toMatch(/0\/1\s+Pending\s+0/);
    await saw('no-such-command', /Warning Failed: Error: failed to (create containerd task|start container)/);
    await eventually('it is StartError', async () => /StartError|RunContainerError/.test(await row('no-such-command')));
  });

  it('kills a container that eats too much', async () => {
    await eventually('hungry was killed', async () => (await pod('hungry')).status?.phase === 'Failed');
    // The runtime may hear of the memory a moment after the end.
    await eventually('it is known why', async () => /0\/1\s+OOMKilled\s+0/.test(await row('hungry')));
    expect((await pod('hungry')).status?.containerStatuses?.[0]?.state?.terminated).toMatchObject({ reason: 'OOMKilled', exitCode: 137 });
  });

  it('restarts a container whose liveness probe fails', async () => {
    await saw('unhealthy', /Warning Unhealthy: Liveness probe failed: cat: can't open '\/tmp\/alive'/);
    await saw('unhealthy', /Normal Killing: Container main failed liveness probe, will be restarted/);
    await eventually('it ran again', async () => Number((await pod('unhealthy')).status?.containerStatuses?.[0]?.restartCount) >= 1);
  });

  it('backs off from a container that crashes', async () => {
    await eventually('two restarts', async () => Number((await pod('crashing')).status?.containerStatuses?.[0]?.restartCount) >= 2, 45_000);
    await eventually('CrashLoopBackOff', async () => /0\/1\s+CrashLoopBackOff\s+[2-9]/.test(await row('crashing')));
    const status = await eventually('it waits', async () => {
      const current = (await pod('crashing')).status?.containerStatuses?.[0];
      return current?.state?.waiting && current;
    });
    expect(status?.lastState?.terminated).toMatchObject({ exitCode: 3, reason: 'Error' });
    expect(status?.state?.waiting?.message).toMatch(/^back-off \d+s restarting failed container=main pod=crashing_default\(/);
    await saw('crashing', /Warning BackOff: Back-off restarting failed container main in pod crashing_default\(/);
    expect(await k('logs crashing --previous')).toBe('about to fail\n');
    expect(await k('describe pod crashing')).toMatch(/Last State:\s+Terminated\n\s+Reason:\s+Error\n\s+Exit Code:\s+3/);
  }, 90_000);

  it('deletes them all', async () => {
    await k(`delete -f ${manifest('troubles.yaml')} --grace-period=1`);
    expect(await k('get pods no-such-image crashing hungry unhealthy --ignore-not-found')).toBe('');
  });
}
