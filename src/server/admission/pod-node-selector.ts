import { Namespace, type Pod, parseSelector } from '../../api/index.ts';
import type { AdmissionPlugin } from '../request.ts';
import { readObject } from '../storages.ts';
import { type AdmissionContext, isCreate, isOn, refuse } from './context.ts';

const annotation = 'scheduler.alpha.kubernetes.io/node-selector';

/** A namespace's annotation says on which nodes its pods run. */
export function podNodeSelector(context: AdmissionContext): AdmissionPlugin {
  const wanted = async (namespace: string): Promise<Record<string, string>> => {
    const text = (await readObject(context.storages, Namespace, '', namespace))?.metadata.annotations?.[annotation];
    if (!text) return {};
    return Object.fromEntries(parseSelector(text).requirements.map((r) => [r.key, r.values[0] ?? '']));
  };
  return {
    name: 'PodNodeSelector',
    handles: (r) => isOn(r, 'pods') && isCreate(r),
    async admit(request) {
      const { spec } = request.object as Pod;
      if (spec === undefined) return;
      for (const [key, value] of Object.entries(await wanted(request.namespace))) {
        const present = spec.nodeSelector?.[key];
        if (present !== undefined && present !== value)
          throw refuse(request, 'pod node label selector conflicts with its namespace node label selector');
        spec.nodeSelector = { ...spec.nodeSelector, [key]: value };
      }
    },
  };
}
