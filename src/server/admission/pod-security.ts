import { deepEqual, errors, Namespace, Pod, type PodTemplateSpec } from '../../api/index.ts';
import type { PodSecurityMetrics } from '../metrics/pod-security-metrics.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../request.ts';
import { readObject } from '../storages.ts';
import { type AdmissionContext, isCreate, isOn, isUpdate, refuse } from './context.ts';
import { describeViolations, violations } from './pod-security-checks.ts';
import {
  formatPolicy,
  type LevelVersion,
  type PodSecurityOptions,
  type PodSecurityPolicy,
  podSecurityModes,
  podSecurityPrefix,
  policyOf,
  strictness,
} from './pod-security-policy.ts';

/** Resources that carry a pod template: they are warned about, not refused. */
const templated = new Set([
  '/replicationcontrollers',
  '/podtemplates',
  'apps/deployments',
  'apps/replicasets',
  'apps/daemonsets',
  'apps/statefulsets',
  'batch/jobs',
  'batch/cronjobs',
]);

/** So many pods of a namespace are looked at when its policy becomes stricter. */
const mostPodsChecked = 3000;

/** Namespace labels say which Pod Security Standard pods must meet (KEP-2579). */
export function podSecurity(context: AdmissionContext, options: PodSecurityOptions = {}, metrics?: PodSecurityMetrics): AdmissionPlugin {
  const { usernames = [], namespaces = [], runtimeClasses = [] } = options.exemptions ?? {};

  const exemption = ({ user, namespace }: AdmissionRequest, runtimeClass: string | undefined): string | undefined => {
    if (namespaces.includes(namespace)) return 'namespace';
    if (usernames.includes(user.name)) return 'user';
    return runtimeClass && runtimeClasses.includes(runtimeClass) ? 'runtimeClass' : undefined;
  };

  /** Labels must be right when they are written; who makes them stricter is told which pods would not be let in now. */
  const validateNamespace = async (request: AdmissionRequest): Promise<void> => {
    const labelsOf = (object: typeof request.object) => object?.metadata.labels ?? {};
    const { policy, problems } = policyOf(labelsOf(request.object), options);
    const before = isUpdate(request) ? policyOf(labelsOf(request.oldObject), options) : undefined;
    const isOld = before !== undefined && JSON.stringify(before.problems.list) === JSON.stringify(problems.list);
    if (!problems.ok && !isOld) throw errors.invalid(Namespace, request.name, problems.list);
    if (before === undefined) return exemptionWarning(request, policy);
    const { enforce } = policy;
    const old = before.policy.enforce;
    if (enforce.level === 'privileged' || formatPolicy(enforce) === formatPolicy(old)) return;
    if (enforce.version === old.version && strictness(enforce.level) <= strictness(old.level)) return;
    if (namespaces.includes(request.name)) return exemptionWarning(request, policy);
    for (const warning of await podsThatViolate(request.name, enforce)) request.warn(warning);
  };

  /** Who gives an exempt namespace a policy of its own is told that it does not matter. */
  const exemptionWarning = (request: AdmissionRequest, policy: PodSecurityPolicy): void => {
    if (!namespaces.includes(request.name)) return;
    const asked = podSecurityModes.filter((mode) => policy[mode].level !== 'privileged');
    if (asked.length === 0 || deepEqual(policy, policyOf({}, options).policy)) return;
    const text = asked.map((mode) => `${mode}=${formatPolicy(policy[mode])}`).join(', ');
    request.warn(`namespace ${JSON.stringify(request.name)} is exempt from Pod Security, and the policy (${text}) will be ignored`);
  };

  const podsThatViolate = async (namespace: string, enforce: LevelVersion): Promise<string[]> => {
    const { items, remainingItemCount: remaining = 0 } = await context.storages(Pod).list({ namespace, limit: mostPodsChecked });
    const found = new Map<string, { name: string; count: number }>();
    for (const { object } of items) {
      if (object.spec.runtimeClassName && runtimeClasses.includes(object.spec.runtimeClassName)) continue;
      const why = violations(enforce.level, object.spec, object.metadata.annotations ?? {})
        .map(({ reason }) => reason)
        .join(', ');
      if (why === '') continue;
      const known = found.get(why);
      found.set(why, { name: known?.name ?? object.metadata.name, count: (known?.count ?? 0) + 1 });
    }
    const lines = [...found].map(([why, { name, count }]) => {
      const others = count === 1 ? '' : ` (and ${count - 1} other pod${count === 2 ? '' : 's'})`;
      return `${name}${others}: ${why}`;
    });
    const wanted = formatPolicy(enforce);
    return [
      ...(remaining > 0
        ? [`new PodSecurity enforce level only checked against the first ${items.length} of ${items.length + remaining} existing pods`]
        : []),
      ...(lines.length > 0
        ? [`existing pods in namespace ${JSON.stringify(namespace)} violate the new PodSecurity enforce level ${JSON.stringify(wanted)}`]
        : []),
      ...lines.sort(),
    ];
  };

  return {
    name: 'PodSecurity',
    handles: (r) => {
      if (!isCreate(r) && !isUpdate(r)) return false;
      if (r.group === '' && r.resource === 'pods') return r.subresource === '' || r.subresource === 'ephemeralcontainers';
      return isOn(r, 'namespaces') || (r.subresource === '' && templated.has(`${r.group}/${r.resource}`));
    },
    async validate(request) {
      if (isOn(request, 'namespaces')) return validateNamespace(request);
      const template = templateOf(request);
      if (template?.spec === undefined || (request.resource === 'pods' && isUpdate(request) && !changesSecurity(request))) return;
      const { spec } = template;
      const exempt = exemption(request, spec.runtimeClassName);
      if (exempt !== undefined) {
        metrics?.exempted(request);
        if (request.resource === 'pods') request.auditAnnotation(`${podSecurityPrefix}exempt`, exempt);
        return;
      }
      const labels = (await readObject(context.storages, Namespace, '', request.namespace))?.metadata.labels ?? {};
      const { enforce, audit, warn } = policyOf(labels, options).policy;
      const found = ({ level }: LevelVersion) => violations(level, spec, template.metadata?.annotations ?? {});
      const told = (of: LevelVersion, list: ReturnType<typeof found>) =>
        `PodSecurity ${JSON.stringify(formatPolicy(of))}: ${describeViolations(list)}`;
      const isPod = request.resource === 'pods';
      const refused = isPod ? found(enforce) : [];
      if (isPod) {
        request.auditAnnotation(`${podSecurityPrefix}enforce-policy`, formatPolicy(enforce));
        metrics?.evaluated(request, 'enforce', enforce, refused.length === 0);
      }
      const audited = found(audit);
      if (audited.length > 0) {
        request.auditAnnotation(`${podSecurityPrefix}audit-violations`, `would violate ${told(audit, audited)}`);
        metrics?.evaluated(request, 'audit', audit, false);
      }
      if (refused.length > 0) throw refuse(request, `violates ${told(enforce, refused)}`);
      const warned = found(warn);
      if (warned.length === 0) return;
      request.warn(`would violate ${told(warn, warned)}`);
      metrics?.evaluated(request, 'warn', warn, false);
    },
  };
}

function templateOf(request: AdmissionRequest): Pick<PodTemplateSpec, 'metadata' | 'spec'> | undefined {
  if (request.resource === 'pods') return request.object as Pod;
  const object = request.object as unknown as {
    template?: PodTemplateSpec;
    spec?: { template?: PodTemplateSpec; jobTemplate?: { spec?: { template?: PodTemplateSpec } } };
  };
  return object.template ?? object.spec?.template ?? object.spec?.jobTemplate?.spec?.template;
}

/** Of a pod's spec little can change; what may is images, deadlines, tolerations, and ephemeral containers, of which only the last matter. */
function changesSecurity(request: AdmissionRequest): boolean {
  return request.subresource === 'ephemeralcontainers';
}
