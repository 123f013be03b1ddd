import { schedulingV1alpha2 } from '../../api/index.ts';
import type { AdmissionPlugin } from '../request.ts';
import { readObject } from '../storages.ts';
import { type AdmissionContext, isCreate, isOn, refuse } from './context.ts';

/** A PodGroup that says from which template it comes comes from one that there is (KEP-4671). */
export function podGroupWorkloadExists(context: AdmissionContext): AdmissionPlugin {
  const isEnabled = context.isEnabled?.('GenericWorkload') ?? false;
  return {
    name: 'PodGroupWorkloadExists',
    handles: (r) => isEnabled && isOn(r, 'podgroups', 'scheduling.k8s.io') && isCreate(r),
    async validate(request) {
      // What is served as podgroups.
      const from = (request.object as schedulingV1alpha2.PodGroup).spec.podGroupTemplateRef?.workload;
      if (!from) return;
      const workload = await readObject(context.storages, schedulingV1alpha2.Workload, request.namespace, from.workloadName);
      const refused = (why: string) => refuse(request, `PodGroup rejected: ${why}`);
      const name = JSON.stringify(from.workloadName);
      if (workload === undefined) throw refused(`Workload ${name} not found`);
      if (workload.metadata.deletionTimestamp !== undefined) throw refused(`Workload ${name} is being deleted`);
      if (!workload.spec.podGroupTemplates.some((template) => template.name === from.podGroupTemplateName))
        throw refused(`PodGroupTemplate ${JSON.stringify(from.podGroupTemplateName)} not found in Workload ${name}`);
    },
  };
}
