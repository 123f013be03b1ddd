import { type Pod, PriorityClass } from '../../api/index.ts';
import type { AdmissionPlugin } from '../request.ts';
import { readObject, readObjects } from '../storages.ts';
import { type AdmissionContext, isCreate, isOn, isUpdate, refuse } from './context.ts';

/** spec.priority comes from the class that spec.priorityClassName names; at most one class is the default. */
export function priority(context: AdmissionContext): AdmissionPlugin {
  const defaultClass = async () => {
    const defaults = (await readObjects(context.storages, PriorityClass)).filter((c) => c.globalDefault === true);
    // More than one, for a moment, where two control planes made them: the lowest.
    return defaults.sort((a, b) => (a.value ?? 0) - (b.value ?? 0))[0];
  };
  return {
    name: 'Priority',
    handles: (r) =>
      (isOn(r, 'pods') && (isCreate(r) || isUpdate(r))) ||
      (isOn(r, 'priorityclasses', 'scheduling.k8s.io') && (isCreate(r) || isUpdate(r))),
    async admit(request) {
      if (request.resource !== 'pods') return;
      const pod = request.object as Pod;
      pod.spec ??= { containers: [] };
      const { spec } = pod;
      if (request.operation === 'UPDATE') {
        const before = (request.oldObject as Pod | undefined)?.spec;
        if (spec.priority === undefined && before?.priority !== undefined) spec.priority = before.priority;
        if (spec.preemptionPolicy === undefined && before?.preemptionPolicy !== undefined) spec.preemptionPolicy = before.preemptionPolicy;
        return;
      }
      const name = spec.priorityClassName;
      const chosen = name ? await readObject(context.storages, PriorityClass, '', name) : await defaultClass();
      if (name && chosen === undefined) throw refuse(request, `no PriorityClass with name ${name} was found`);
      if (chosen !== undefined) spec.priorityClassName = chosen.metadata.name;
      const value = chosen?.value ?? 0;
      if (spec.priority !== undefined && spec.priority !== value)
        throw refuse(
          request,
          `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`,
        );
      const policy = chosen?.preemptionPolicy ?? 'PreemptLowerPriority';
      if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== policy)
        throw refuse(
          request,
          `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${policy} from the given PriorityClass name`,
        );
      spec.priority = value;
      spec.preemptionPolicy = policy;
    },
    async validate(request) {
      if (request.resource !== 'priorityclasses') return;
      const wanted = request.object as PriorityClass;
      if (wanted.globalDefault !== true) return;
      const known = await defaultClass();
      if (known !== undefined && (isCreate(request) || known.metadata.name !== wanted.metadata.name))
        throw refuse(request, `PriorityClass ${known.metadata.name} is already marked as default. Only one default can exist`);
    },
  };
}
