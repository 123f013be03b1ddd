import type { Binding } from '../../api/index.ts';
import { Pod } from '../../api/index.ts';
import type { PluginFactory } from '../framework/handle.ts';
import { errorStatus } from '../framework/status.ts';

const name = 'DefaultBinder';

/** Posts the Binding. */
export const defaultBinder: PluginFactory = (_args, { client }) => ({
  name,
  async bind(_state, { pod }, nodeName, signal) {
    const { namespace, name: podName, uid } = pod.metadata;
    const binding: Pick<Binding, 'target'> & { apiVersion: string; kind: string; metadata: Partial<Binding['metadata']> } = {
      apiVersion: 'v1',
      kind: 'Binding',
      // The uid has the server refuse the binding of a namesake that came since.
      metadata: { name: podName, uid, ...(namespace ? { namespace } : {}) },
      target: { kind: 'Node', name: nodeName },
    };
    try {
      await client.createSubresource(Pod, podName, 'binding', binding, { namespace, signal });
      return undefined;
    } catch (error) {
      return errorStatus(name, error);
    }
  },
});
