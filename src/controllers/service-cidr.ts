import { cidrContains, hasReason, IPAddress, parseCidr, parseIp, ServiceCIDR, type ServiceCIDR as ServiceCidrType } from '../api/index.ts';
import { timestamp } from '../time/index.ts';
import { conditionOf, defineController, withCondition } from './framework/index.ts';

const name = 'service-cidr-controller';
const finalizer = 'networking.k8s.io/service-cidr-finalizer';
const managedBy = 'ipaddress.kubernetes.io/managed-by';
const manager = 'ipallocator.k8s.io';

const holds = ({ spec }: ServiceCidrType, address: string): boolean => {
  const ip = parseIp(address);
  return (
    ip !== undefined &&
    (spec?.cidrs ?? []).some((text) => {
      const cidr = parseCidr(text);
      return cidr !== undefined && cidrContains(cidr, ip);
    })
  );
};

/** A range of service addresses is ready at once, and stays as long as services have addresses in it that no other range holds. */
export const serviceCidrController = defineController(name, ({ client, clock, informers, recorder }, queue) => {
  const ranges = informers.for(ServiceCIDR);
  const addresses = informers.for(IPAddress);
  const events = recorder(name);
  const enqueueDeleted = () => {
    for (const range of ranges.lister.list()) if (range.metadata.deletionTimestamp) queue.add(range.metadata.name);
  };
  const enqueue = (range: ServiceCidrType) => {
    queue.add(range.metadata.name);
    enqueueDeleted();
  };
  ranges.addHandler({ add: enqueue, update: enqueue, delete: enqueueDeleted });
  addresses.addHandler({ delete: enqueueDeleted });

  const setReady = async (range: ServiceCidrType, status: 'True' | 'False', reason: string, message: string, signal: AbortSignal) => {
    const present = conditionOf(range.status?.conditions, 'Ready');
    if (present?.status === status && (present.reason === reason || status === 'True')) return;
    const condition = { type: 'Ready', status, reason, message, lastTransitionTime: timestamp(clock) };
    const conditions = withCondition(range.status?.conditions, condition);
    try {
      await client.updateStatus(ServiceCIDR, { ...range, status: { ...range.status, conditions } }, { signal });
    } catch (error) {
      if (status === 'True' && !hasReason(error, 'Conflict'))
        events.event(range, 'Warning', 'KubernetesServiceCIDRError', 'The ServiceCIDR Status can not be set to Ready=True');
      throw error;
    }
  };

  return {
    informers: [ranges, addresses],
    workers: 1,
    async reconcile(name, signal) {
      const range = ranges.lister.get(name);
      if (!range) return;
      const { deletionTimestamp, finalizers = [] } = range.metadata;
      const write = (next: string[]) =>
        client.update(ServiceCIDR, { ...range, metadata: { ...range.metadata, finalizers: next } }, { signal });
      if (!deletionTimestamp) {
        const current = finalizers.includes(finalizer) ? range : await write([...finalizers, finalizer]);
        await setReady(current, 'True', '', 'Kubernetes Service CIDR is ready', signal);
        return;
      }
      const others = ranges.lister.list().filter((r) => r.metadata.name !== name && !r.metadata.deletionTimestamp);
      const needed = addresses.lister
        .list()
        .filter(({ metadata }) => metadata.labels?.[managedBy] === manager)
        .some(({ metadata }) => holds(range, metadata.name) && !others.some((other) => holds(other, metadata.name)));
      if (needed) {
        const message = 'There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR';
        await setReady(range, 'False', 'Terminating', message, signal);
      } else if (finalizers.includes(finalizer)) await write(finalizers.filter((f) => f !== finalizer));
    },
  };
});
