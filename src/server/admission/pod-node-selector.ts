import { Namespace, type Pod, parseSelector } from '../../api/index.ts';
import type { AdmissionPlugin } from '../request.ts';
import { readObject } from '../storages.ts';
import { type AdmissionContext, isCreate, isOn, refuse } from './context.ts';

/** By namespace what its pods may select at all; `clusterDefaultNodeSelector` is for namespaces that say nothing themselves. */
export type PodNodeSelectors = Readonly<Record<string, string>>;

const annotation = 'scheduler.alpha.kubernetes.io/node-selector';
const clusterDefault = 'clusterDefaultNodeSelector';

const labelsOf = (text: string | undefined): Record<string, string> =>
  text ? Object.fromEntries(parseSelector(text).requirements.map((r) => [r.key, r.values[0] ?? ''])) : {};

/** A namespace's annotation says on which nodes its pods run. */
export function podNodeSelector(context: AdmissionContext, selectors: PodNodeSelectors = {}): AdmissionPlugin {
  const wanted = async (namespace: string): Promise<Record<string, string>> =>
    labelsOf(
      (await readObject(context.storages, Namespace, '', namespace))?.metadata.annotations?.[annotation] ?? selectors[clusterDefault],
    );
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
    async validate(request) {
      const given = (request.object as Pod).spec?.nodeSelector ?? {};
      if (Object.entries(await wanted(request.namespace)).some(([key, value]) => given[key] !== undefined && given[key] !== value))
        throw refuse(request, 'pod node label selector conflicts with its namespace node label selector');
      const whitelist = labelsOf(Object.hasOwn(selectors, request.namespace) ? selectors[request.namespace] : undefined);
      if (Object.keys(whitelist).length > 0 && Object.entries(given).some(([key, value]) => whitelist[key] !== value))
        throw refuse(request, 'pod node label selector labels conflict with its namespace whitelist');
    },
  };
}
