import { hasReason, type KubeObject, type Resource, ServiceCIDR } from '../../api/index.ts';
import type { Client, EventRecorder } from '../../client/index.ts';
import { timestamp } from '../../time/index.ts';
import { type KeepOptions, keepAsMade } from './keep-as-made.ts';

const name = 'kubernetes';
const manager = 'kubernetes-service-cidr-controller';

export interface ServiceCidrOptions extends Omit<KeepOptions, 'objects' | 'work'> {
  client: Client;
  /** --service-cluster-ip-range. */
  cidrs: readonly string[];
  /** As `kubernetes-service-cidr-controller`. */
  events: EventRecorder;
}

/** Makes the ServiceCIDR that stands for --service-cluster-ip-range, ready from the start, and again when somebody removes it. */
export async function keepServiceCidr(options: ServiceCidrOptions): Promise<void> {
  const ensure = serviceCidrEnsurer(options);
  await ensure(options.signal);
  const resource = ServiceCIDR as Resource as Resource<KubeObject>; // it is one
  await keepAsMade({ ...options, objects: [{ resource, name }], work: () => ensure(options.signal) });
}

function serviceCidrEnsurer({ client, cidrs, clock, events }: ServiceCidrOptions): (signal?: AbortSignal) => Promise<void> {
  /** What has been said once is not said again. */
  const reported = new Set<string>();
  const report = (range: ServiceCIDR, reason: string, message: string, isRepeated = false) => {
    if (!isRepeated && reported.has(reason)) return;
    reported.add(reason);
    events.event(range, 'Warning', reason, message);
  };
  const list = (each: readonly string[]) => `[${each.join(' ')}]`;

  const setReady = async (range: ServiceCIDR, signal: AbortSignal | undefined): Promise<void> => {
    // Whether it may go is the controller's to say.
    if (range.metadata.deletionTimestamp) return;
    const present = range.spec?.cidrs ?? [];
    if (present.join() !== cidrs.join()) {
      const message = `The default ServiceCIDR ${list(present)} does not match the controller flag configurations ${list(cidrs)}`;
      report(range, 'KubernetesDefaultServiceCIDRInconsistent', message);
      return;
    }
    const ready = range.status?.conditions?.find(({ type }) => type === 'Ready');
    if (ready?.status === 'False') report(range, ready.reason, `Configuration matches, but ${ready.message}`);
    if (ready?.status === 'False' || ready?.status === 'True') return;
    const message = 'Kubernetes default Service CIDR is ready';
    const condition = { type: 'Ready', status: 'True' as const, reason: '', message, lastTransitionTime: timestamp(clock) };
    try {
      await client.patch(
        ServiceCIDR,
        name,
        'apply',
        { apiVersion: 'networking.k8s.io/v1', kind: 'ServiceCIDR', metadata: { name }, status: { conditions: [condition] } },
        { fieldManager: manager, force: true, subresource: 'status', signal },
      );
    } catch (error) {
      report(range, 'KubernetesDefaultServiceCIDRError', 'The default ServiceCIDR Status can not be set to Ready=True', true);
      throw error;
    }
  };

  return async (signal) => {
    const options = signal ? { signal } : {};
    let range: ServiceCIDR;
    try {
      range = await client.get(ServiceCIDR, name, options);
    } catch (error) {
      if (!hasReason(error, 'NotFound')) throw error;
      try {
        const made = { apiVersion: 'networking.k8s.io/v1', kind: 'ServiceCIDR', metadata: { name }, spec: { cidrs: [...cidrs] } };
        range = await client.create(ServiceCIDR, made, options);
      } catch (problem) {
        if (!hasReason(problem, 'AlreadyExists')) throw problem;
        range = await client.get(ServiceCIDR, name, options);
      }
    }
    const [first, second] = range.spec?.cidrs ?? [];
    if (cidrs.length < 2 || second !== undefined || first !== cidrs[0]) return setReady(range, signal);
    try {
      await client.update(ServiceCIDR, { ...range, spec: { cidrs: [...cidrs] } }, options);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const message = `The default ServiceCIDR can not be upgraded from ${first} to dual stack ${list(cidrs)} : ${why}`;
      report(range, 'KubernetesDefaultServiceCIDRError', message, true);
    }
  };
}
