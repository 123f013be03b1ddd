/** A pod's sandbox: making one, and taking over one that an earlier kubelet made. */
import { type Pod, resourceV1 } from '../../api/index.ts';
import { rpcErrorText } from '../../runtime/index.ts';
import { timestamp } from '../../time/index.ts';
import { sandboxConfig } from '../containers/sandbox-config.ts';
import { formatPod, isHostNetwork, uidOf } from '../pod/identity.ts';
import type { ObservedSandbox } from '../pod/observed-pod.ts';
import { prepareResources } from './resource-claims.ts';
import type { SandboxInUse } from './start-container.ts';
import type { PodWorkerDependencies } from './worker-contract.ts';

type Dependencies = Pick<PodWorkerDependencies, 'context' | 'observer' | 'cgroups' | 'resolver' | 'networkNotReady' | 'runtimeHandler'>;

/** Undefined where it could not be made; an event says why. */
export async function createSandbox(deps: Dependencies, pod: Pod, attempt: number, signal: AbortSignal): Promise<SandboxInUse | undefined> {
  const { context, observer, cgroups } = deps;
  const { runtime, clock, events, logger, metrics } = context;
  const notReady = isHostNetwork(pod) ? undefined : deps.networkNotReady();
  if (notReady) {
    events.pod(pod, 'Warning', 'NetworkNotReady', `network is not ready: ${notReady}`);
    return undefined;
  }
  if (!context.hollow && pod.spec.resourceClaims?.length)
    try {
      const { namespace } = pod.metadata;
      await prepareResources(pod, (name) => context.client.get(resourceV1.ResourceClaim, name, { namespace, signal }));
    } catch (error) {
      signal.throwIfAborted();
      const why = error instanceof Error ? error.message : String(error);
      events.pod(pod, 'Warning', 'FailedPrepareDynamicResources', `Failed to prepare dynamic resources: ${why}`);
      return undefined;
    }
  metrics.sandboxStarted();
  try {
    // Better no pod than one whose root is the host's though it asked for another.
    if (pod.spec.hostUsers === false && !context.hollow)
      throw new Error("can't set `spec.hostUsers: false`, runtime does not support user namespaces");
    await cgroups.ensure(pod);
    const config = sandboxConfig(pod, attempt, await deps.resolver(), cgroups.parentOf(pod), context, timestamp(clock));
    const runtimeHandler = pod.spec.runtimeClassName ? await deps.runtimeHandler(pod.spec.runtimeClassName) : '';
    const { podSandboxId: id = '' } = await runtime.runPodSandbox({ config, runtimeHandler }, { signal });
    observer.learn(id, uidOf(pod));
    const { status } = await runtime.podSandboxStatus({ podSandboxId: id }, { signal });
    const ips = isHostNetwork(pod) ? context.nodeIPs : [status?.network?.ip, ...(status?.network?.additionalIps ?? []).map((a) => a.ip)];
    return { id, config, ips: ips.filter((ip) => ip !== undefined && ip !== '').map(String) };
  } catch (error) {
    signal.throwIfAborted();
    metrics.sandboxFailed();
    events.pod(pod, 'Warning', 'FailedCreatePodSandBox', `Failed to create pod sandbox: ${rpcErrorText(error)}`);
    logger.warn({ err: error, pod: formatPod(pod) }, 'Failed to create sandbox for pod');
    return undefined;
  }
}

/** The configuration that the sandbox was made with, made again: what containers need of it. */
export async function adoptSandbox(deps: Dependencies, pod: Pod, present: ObservedSandbox): Promise<SandboxInUse> {
  const { context, cgroups } = deps;
  const config = sandboxConfig(pod, present.attempt, await deps.resolver(), cgroups.parentOf(pod), context, timestamp(context.clock));
  return { id: present.id, config, ips: isHostNetwork(pod) ? context.nodeIPs : present.ips };
}
