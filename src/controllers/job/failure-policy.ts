import type { Job, Pod, PodFailurePolicyAction } from '../../api/index.ts';
import { keyOf } from '../../client/index.ts';

export interface FailureVerdict {
  action: PodFailurePolicyAction;
  /** Why, for a rule that fails the Job or the index. */
  message: string;
}

/** What the first rule that matches says of a failed pod (KEP-3329); `Count` where none does. */
export function judgeFailure(job: Job, pod: Pod): FailureVerdict {
  for (const [at, rule] of (job.spec.podFailurePolicy?.rules ?? []).entries()) {
    const suffix = `matching ${rule.action} rule at index ${at}`;
    const { onExitCodes, onPodConditions = [] } = rule;
    if (onExitCodes) {
      const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
      for (const { name, state } of statuses) {
        const code = state?.terminated?.exitCode;
        if (code === undefined || code === 0 || (onExitCodes.containerName && onExitCodes.containerName !== name)) continue;
        if (onExitCodes.values.includes(code) !== (onExitCodes.operator === 'In')) continue;
        return { action: rule.action, message: `Container ${name} for pod ${keyOf(pod)} failed with exit code ${code} ${suffix}` };
      }
    }
    for (const pattern of onPodConditions) {
      const found = pod.status?.conditions?.find((c) => c.type === pattern.type && c.status === (pattern.status ?? 'True'));
      if (found) return { action: rule.action, message: `Pod ${keyOf(pod)} has condition ${found.type} ${suffix}` };
    }
  }
  return { action: 'Count', message: '' };
}
