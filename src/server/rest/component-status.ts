/** ComponentStatus, deprecated since v1.19: made up when it is read, from what the components say of themselves at that moment. */
import { type ComponentStatus, type ObjectMeta, StatusError } from '../../api/index.ts';
import { type ComponentAddress, probeComponent } from '../component/component-probe.ts';
import type { SubresourceHandler } from '../registry/resource-handler.ts';

export interface ComponentStatusDependencies {
  checkStore(): Promise<void>;
  /** Where the components beside this server answer, by name (`scheduler`, `controller-manager`); read anew each time. */
  components?: ReadonlyMap<string, ComponentAddress>;
}

type Condition = NonNullable<ComponentStatus['conditions']>[number];

const healthy = (message: string): Condition => ({ type: 'Healthy', status: 'True', message });
const unhealthy = (message: string): Condition => ({ type: 'Healthy', status: 'False', message });

export function componentStatusHandler({ checkStore, components }: ComponentStatusDependencies): SubresourceHandler {
  const etcd = () =>
    checkStore().then(
      () => healthy('ok'),
      (error: unknown): Condition => ({
        ...unhealthy(''),
        error: error instanceof Error ? error.message : String(error),
      }),
    );
  const probe = async (address: ComponentAddress): Promise<Condition> => {
    const { healthy: isHealthy, message } = await probeComponent(address);
    return isHealthy ? healthy(message) : unhealthy(message);
  };
  const checks = (): Map<string, () => Promise<Condition>> =>
    new Map([...[...(components ?? [])].map(([name, address]) => [name, () => probe(address)] as const), ['etcd-0', etcd] as const]);
  const statusOf = async (name: string, check: () => Promise<Condition>): Promise<ComponentStatus> => ({
    kind: 'ComponentStatus',
    apiVersion: 'v1',
    // Nothing stored: it has a name, and no identity, version or age.
    metadata: { name } as ObjectMeta,
    conditions: [await check()],
  });
  return {
    group: '',
    resource: 'componentstatuses',
    subresource: '',
    verbs: ['get', 'list'],
    async handle({ context, served }) {
      if (served.warning !== undefined) context.warn(served.warning);
      if (context.info.verb === 'list') {
        const objects = await Promise.all([...checks()].map(([name, check]) => statusOf(name, check)));
        return { type: 'list', resource: served, metadata: {}, items: objects.map((object) => ({ object })) };
      }
      const check = checks().get(context.info.name);
      if (check === undefined) throw new StatusError(500, '', `Component not found: ${context.info.name}`);
      return { type: 'object', status: 200, item: { object: await statusOf(context.info.name, check) }, resource: served };
    },
  };
}
