/** What the restricted level of the Pod Security Standards refuses beyond the baseline. */
import { addedCapabilities, seccompUnconfined } from './pod-security-baseline.ts';
import {
  containersText,
  containersWhere,
  namesOf,
  type PodSecurityCheck,
  plural,
  quote,
  settersOf,
  sorted,
} from './pod-security-violation.ts';

const restrictedVolumes = new Set('configMap csi downwardAPI emptyDir ephemeral image persistentVolumeClaim projected secret'.split(' '));

/** Windows has none of what the check is about, and the API lets a pod for it say none of it. */
export const notOnWindows =
  (check: PodSecurityCheck): PodSecurityCheck =>
  (spec, annotations) =>
    spec.os?.name === 'windows' ? undefined : check(spec, annotations);

/** Root of a user namespace is nobody outside of it. */
export const notInUserNamespace =
  (check: PodSecurityCheck): PodSecurityCheck =>
  (spec, annotations) =>
    spec.hostUsers === false ? undefined : check(spec, annotations);

export const allowPrivilegeEscalation = containersWhere(
  (c) => c.securityContext?.allowPrivilegeEscalation !== false,
  'allowPrivilegeEscalation != false',
  'set securityContext.allowPrivilegeEscalation=false',
);

const unrestricted = addedCapabilities(new Set(['NET_BIND_SERVICE']), 'unrestricted capabilities');

export const restrictedCapabilities: PodSecurityCheck = (spec, annotations) => {
  const keeping = namesOf(spec, (c) => !c.securityContext?.capabilities?.drop?.includes('ALL'));
  const adding = unrestricted(spec, annotations);
  const parts = [
    ...(keeping.length > 0 ? [`${containersText(keeping)} must set securityContext.capabilities.drop=["ALL"]`] : []),
    ...(adding ? [adding.detail] : []),
  ];
  return parts.length === 0 ? undefined : { reason: 'unrestricted capabilities', detail: parts.join('; ') };
};

export const volumeTypes: PodSecurityCheck = (spec) => {
  const sourcesOf = (volume: object) => Object.keys(volume).filter((key) => key !== 'name');
  const bad = (spec.volumes ?? []).filter((v) => !sourcesOf(v).some((type) => restrictedVolumes.has(type)));
  if (bad.length === 0) return undefined;
  const types = sorted(bad.map((v) => sourcesOf(v)[0] ?? 'unknown'));
  const names = bad.map((v) => v.name);
  return {
    reason: 'restricted volume types',
    detail: `${plural(names, 'volume')} ${quote(names)} ${plural(names, 'uses', 'use')} ${plural(types, 'restricted volume type')} ${quote(types)}`,
  };
};

export const runAsNonRoot: PodSecurityCheck = (spec) => {
  const reason = 'runAsNonRoot != true';
  const setters = settersOf(spec, (context) => context.runAsNonRoot === false);
  if (setters.length > 0) return { reason, detail: `${setters.join(' and ')} must not set securityContext.runAsNonRoot=false` };
  const unset = spec.securityContext?.runAsNonRoot ? [] : namesOf(spec, (c) => c.securityContext?.runAsNonRoot === undefined);
  return unset.length === 0 ? undefined : { reason, detail: `pod or ${containersText(unset)} must set securityContext.runAsNonRoot=true` };
};

export const runAsUser: PodSecurityCheck = (spec) => {
  const setters = settersOf(spec, (context) => context.runAsUser === 0);
  return setters.length === 0 ? undefined : { reason: 'runAsUser=0', detail: `${setters.join(' and ')} must not set runAsUser=0` };
};

export const seccompRequired: PodSecurityCheck = (spec, annotations) => {
  const unconfined = seccompUnconfined(spec, annotations);
  if (unconfined !== undefined || spec.securityContext?.seccompProfile !== undefined) return unconfined;
  const names = namesOf(spec, (c) => c.securityContext?.seccompProfile === undefined);
  return names.length === 0
    ? undefined
    : {
        reason: 'seccompProfile',
        detail: `pod or ${containersText(names)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`,
      };
};
