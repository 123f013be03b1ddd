import { aggregateMessage, deepEqual, errors, fieldErrorMessage, Namespace, Pod, type PodTemplateSpec } from '../../api/index.ts';
import type { PodSecurityMetrics } from '../metrics/pod-security-metrics.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../request.ts';
import { readObject } from '../storages.ts';
import { type AdmissionContext, isCreate, isOn, isUpdate, refuse } from './context.ts';
import { describeViolations, violations } from './pod-security-checks.ts';
import {
  formatPolicy,
  isEquivalent,
  isPrivileged,
  type LevelVersion,
  levelLabel,
  type Mode,
  type PodSecurityOptions,
  type PodSecurityPolicy,
  podSecurityModes,
  podSecurityPrefix,
  policyOf,
  strictness,
  versionLabel,
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

/** Subresources of pods whose writes have no say in what a pod may do. */
const harmless = new Set(['exec', 'attach', 'binding', 'eviction', 'log', 'portforward', 'proxy', 'status']);

/** So many pods of a namespace are looked at when its policy becomes stricter, for so long. */
const mostPodsChecked = 3000;
const longestCheckMs = 1000;

/** Namespace labels say which Pod Security Standard pods must meet (KEP-2579). */
export function podSecurity(context: AdmissionContext, options: PodSecurityOptions = {}, metrics?: PodSecurityMetrics): AdmissionPlugin {
  const { usernames = [], namespaces = [], runtimeClasses = [] } = options.exemptions ?? {};

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
    if (isPrivileged(policy, ...podSecurityModes) || isEquivalent(policy, policyOf({}, options).policy)) return;
    const labels = request.object?.metadata.labels ?? {};
    const isSaid = (mode: Mode) => labels[levelLabel(mode)] !== undefined || labels[versionLabel(mode)] !== undefined;
    const asked = podSecurityModes.filter((mode) => policy[mode].level !== 'privileged' && isSaid(mode));
    const text = asked.map((mode) => `${mode}=${formatPolicy(policy[mode])}`).join(', ');
    request.warn(`namespace ${JSON.stringify(request.name)} is exempt from Pod Security, and the policy (${text}) will be ignored`);
  };

  /** Pods of different controllers first: those of one are alike. */
  const podsToCheck = async (namespace: string): Promise<Pod[]> => {
    const { items } = await context.storages(Pod).list({ namespace });
    const pods = items.map(({ object }) => object).filter(({ spec }) => !runtimeClasses.includes(spec.runtimeClassName ?? ''));
    const owners = new Set<string>();
    const alike: Pod[] = [];
    const first = pods.filter((pod) => {
      const owner = pod.metadata.ownerReferences?.find(({ controller }) => controller)?.uid;
      if (owner === undefined) return true;
      if (owners.has(owner)) alike.push(pod);
      return !owners.has(owner) && owners.add(owner);
    });
    return [...first, ...alike];
  };

  const podsThatViolate = async (namespace: string, enforce: LevelVersion): Promise<string[]> => {
    const deadline = context.clock.monotonic() + longestCheckMs;
    const pods = await podsToCheck(namespace);
    const found = new Map<string, string[]>();
    let checked = 0;
    for (const { metadata, spec } of pods.slice(0, mostPodsChecked)) {
      checked++;
      const why = violations(enforce, spec, metadata.annotations ?? {})
        .map(({ reason }) => reason)
        .join(', ');
      if (why !== '') found.set(why, [...(found.get(why) ?? []), metadata.name]);
      if (context.clock.monotonic() > deadline) break;
    }
    const lines = [...found].map(([why, names]) => {
      const others = names.length === 1 ? '' : ` (and ${names.length - 1} other ${names.length === 2 ? 'pod' : 'pods'})`;
      return `${names.sort()[0]}${others}: ${why}`;
    });
    const wanted = formatPolicy(enforce);
    return [
      ...(checked < pods.length
        ? [`new PodSecurity enforce level only checked against the first ${checked} of ${pods.length} existing pods`]
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
      if (r.group === '' && r.resource === 'pods') return !harmless.has(r.subresource);
      return isOn(r, 'namespaces') || (r.subresource === '' && templated.has(`${r.group}/${r.resource}`));
    },
    async validate(request) {
      if (isOn(request, 'namespaces')) return validateNamespace(request);
      const isPod = request.resource === 'pods';
      const exempt = (why: string) => {
        metrics?.exempted(request);
        request.auditAnnotation(`${podSecurityPrefix}exempt`, why);
      };
      if (namespaces.includes(request.namespace)) return exempt('namespace');
      if (usernames.includes(request.user.name)) return exempt('user');
      const labels = (await readObject(context.storages, Namespace, '', request.namespace))?.metadata.labels ?? {};
      const { policy, problems } = policyOf(labels, options);
      const { enforce, audit, warn } = policy;
      if (problems.ok && isPrivileged(policy, 'audit', 'warn')) {
        if (!isPod) return;
        if (enforce.level === 'privileged') {
          metrics?.evaluated(request, 'enforce', enforce, true);
          return request.auditAnnotation(`${podSecurityPrefix}enforce-policy`, 'privileged:latest');
        }
      }
      const template = templateOf(request);
      if (template?.spec === undefined || (isPod && isUpdate(request) && !changesSecurity(request))) return;
      const { spec } = template;
      if (spec.runtimeClassName && runtimeClasses.includes(spec.runtimeClassName)) return exempt('runtimeClass');
      if (!problems.ok) {
        request.auditAnnotation(
          `${podSecurityPrefix}error`,
          `Failed to parse policy: ${aggregateMessage(problems.list.map(fieldErrorMessage))}`,
        );
        metrics?.failed(request, false);
      }
      const found = (of: LevelVersion) => violations(of, spec, template.metadata?.annotations ?? {});
      const told = (of: LevelVersion, list: ReturnType<typeof found>) =>
        `PodSecurity ${JSON.stringify(formatPolicy(of))}: ${describeViolations(list)}`;
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

/** Of a pod's spec little can change: what matters of that is images, and which ephemeral containers there are. */
function changesSecurity({ object, oldObject }: AdmissionRequest): boolean {
  const [spec, old] = [(object as Pod).spec, (oldObject as Pod).spec];
  const images = (list: readonly { image?: string }[] | undefined) => (list ?? []).map(({ image }) => image ?? '');
  const were = new Map(old.ephemeralContainers?.map((c) => [c.name, c.image]));
  return (
    !deepEqual(images(spec.containers), images(old.containers)) ||
    !deepEqual(images(spec.initContainers), images(old.initContainers)) ||
    (spec.ephemeralContainers ?? []).some((c) => !were.has(c.name) || were.get(c.name) !== c.image)
  );
}
