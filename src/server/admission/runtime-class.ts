import { type Pod, RuntimeClass } from '../../api/index.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../request.ts';
import { readObject } from '../storages.ts';
import { type AdmissionContext, isCreate, isOn, refuse } from './context.ts';
import { mergeTolerations } from './pod-tolerations.ts';

/** A pod of a runtime class takes over its overhead and scheduling. */
export function runtimeClass(context: AdmissionContext): AdmissionPlugin {
  const classOf = async (request: AdmissionRequest, name: string) => {
    const found = await readObject(context.storages, RuntimeClass, '', name);
    if (found === undefined) throw refuse(request, `pod rejected: RuntimeClass ${JSON.stringify(name)} not found`);
    return found;
  };
  return {
    name: 'RuntimeClass',
    handles: (r) => isOn(r, 'pods') && isCreate(r),
    async admit(request) {
      const { spec } = request.object as Pod;
      if (!spec?.runtimeClassName) return;
      const { overhead, scheduling } = await classOf(request, spec.runtimeClassName);
      if (overhead?.podFixed !== undefined) spec.overhead ??= { ...overhead.podFixed };
      for (const [key, value] of Object.entries(scheduling?.nodeSelector ?? {})) {
        const present = spec.nodeSelector?.[key];
        if (present !== undefined && present !== value)
          throw refuse(
            request,
            `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${present}`,
          );
        spec.nodeSelector = { ...spec.nodeSelector, [key]: value };
      }
      if (scheduling?.tolerations?.length) spec.tolerations = mergeTolerations(spec.tolerations ?? [], scheduling.tolerations);
    },
    async validate(request) {
      const { spec } = request.object as Pod;
      const overhead = spec?.runtimeClassName ? (await classOf(request, spec.runtimeClassName)).overhead : undefined;
      if (overhead === undefined) {
        if (spec?.overhead && Object.keys(spec.overhead).length > 0)
          throw refuse(request, 'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead');
        return;
      }
      const sorted = (map: Record<string, string> | undefined) => JSON.stringify(Object.entries(map ?? {}).sort());
      if (sorted(overhead.podFixed) !== sorted(spec.overhead))
        throw refuse(request, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
    },
  };
}
