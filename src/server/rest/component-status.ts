/**
 * ComponentStatus, deprecated since v1.19: made up when it is read. Of upstream's three components only the store is known to this
 * server; scheduler and controller manager say themselves, by their leases, that they are alive.
 */
import { type ComponentStatus, errors, type ObjectMeta } from '../../api/index.ts';
import type { SubresourceHandler } from '../registry/resource-handler.ts';

export function componentStatusHandler({ checkStore }: { checkStore(): Promise<void> }): SubresourceHandler {
  const etcd = async (): Promise<ComponentStatus> => {
    const failure = await checkStore().then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    return {
      kind: 'ComponentStatus',
      apiVersion: 'v1',
      // Nothing stored: it has a name, and no identity, version or age.
      metadata: { name: 'etcd-0' } as ObjectMeta,
      conditions: [
        {
          type: 'Healthy',
          ...(failure === undefined ? { status: 'True', message: 'ok' } : { status: 'False', message: '', error: failure }),
        },
      ],
    };
  };
  return {
    group: '',
    resource: 'componentstatuses',
    subresource: '',
    verbs: ['get', 'list'],
    async handle({ context, served }) {
      if (served.warning !== undefined) context.warn(served.warning);
      const object = await etcd();
      if (context.info.verb === 'list') return { type: 'list', resource: served, metadata: {}, items: [{ object }] };
      if (context.info.name !== object.metadata.name) throw errors.notFound(served.resource, context.info.name);
      return { type: 'object', status: 200, item: { object }, resource: served };
    },
  };
}
