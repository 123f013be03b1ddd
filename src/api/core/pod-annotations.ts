/** Annotations of pods that mean something to the API itself. */
import { semanticEqual } from '../equality.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import type { AppArmorProfile, Pod, PodSpec, SeccompProfile } from '../generated/core.v1.ts';
import { byteLength } from '../names.ts';
import { requireDescendingPath } from './file-paths.ts';
import { eachContainer } from './pod-os.ts';
import { maxAppArmorProfileBytes } from './security-context.ts';

type Annotations = Readonly<Record<string, string>> | undefined;

/** On pods that a kubelet made from a manifest of its own. */
export const mirrorPodAnnotation = 'kubernetes.io/config.mirror';
export const deletionCostAnnotation = 'controller.kubernetes.io/pod-deletion-cost';
export const appArmorAnnotationPrefix = 'container.apparmor.security.beta.kubernetes.io/';
export const seccompPodAnnotation = 'seccomp.security.alpha.kubernetes.io/pod';
export const seccompContainerAnnotationPrefix = 'container.seccomp.security.alpha.kubernetes.io/';

function validateSeccompValue(value: string, path: FieldPath, errors: FieldErrors): void {
  if (value === 'runtime/default' || value === 'docker/default' || value === 'unconfined') return;
  if (value.startsWith('localhost/')) requireDescendingPath(errors, path, value.slice('localhost/'.length));
  else errors.invalid(path, value, 'must be a valid seccomp profile');
}

export function validatePodAnnotations(annotations: Annotations, spec: PodSpec, path: FieldPath, errors: FieldErrors): void {
  if (!annotations) return;
  const mirror = annotations[mirrorPodAnnotation];
  if (mirror !== undefined && !spec.nodeName)
    errors.invalid(path.key(mirrorPodAnnotation), mirror, 'must set spec.nodeName if mirror pod annotation is set');
  const cost = annotations[deletionCostAnnotation];
  if (cost !== undefined && !(/^(0|-?[1-9]\d*)$/.test(cost) && Math.abs(Number(cost)) < 2 ** 31))
    errors.ratcheting(() => errors.invalid(path.key(deletionCostAnnotation), cost, 'must be a 32bit integer'));
  const names = new Set([...eachContainer(spec, path)].map(([container]) => container.name));
  for (const [key, value] of Object.entries(annotations)) {
    if (key === seccompPodAnnotation || key.startsWith(seccompContainerAnnotationPrefix))
      validateSeccompValue(value, path.child(key), errors);
    if (!key.startsWith(appArmorAnnotationPrefix)) continue;
    const container = key.slice(appArmorAnnotationPrefix.length);
    if (!names.has(container)) errors.invalid(path.key(key), container, 'container not found');
    if (value !== '' && value !== 'runtime/default' && value !== 'unconfined' && !value.startsWith('localhost/'))
      errors.invalid(path.key(key), value, `invalid AppArmor profile name: ${JSON.stringify(value)}`);
  }
}

function matchProfile(
  annotation: string | undefined,
  profile: SeccompProfile | AppArmorProfile | undefined,
  kind: 'seccomp' | 'apparmor',
  path: FieldPath,
  errors: FieldErrors,
): void {
  if (annotation === undefined || !profile) return;
  const expected =
    profile.type === 'Unconfined'
      ? ['unconfined']
      : profile.type === 'RuntimeDefault'
        ? ['runtime/default', ...(kind === 'seccomp' ? ['docker/default'] : [])]
        : undefined;
  // A type that there isn't is refused elsewhere.
  if (!expected && profile.type !== 'Localhost') return;
  if (expected ? !expected.includes(annotation) : !annotation.startsWith('localhost/'))
    errors.forbidden(path.child('type'), `${kind} type in annotation and field must match`);
  else if (!expected && annotation.slice('localhost/'.length) !== profile.localhostProfile)
    errors.forbidden(path.child('localhostProfile'), `${kind} profile in annotation and field must match`);
}

/** Where both an old annotation and the field name a seccomp or AppArmor profile they must agree. */
export function validateProfileAnnotationsMatch(annotations: Annotations, spec: PodSpec, path: FieldPath, errors: FieldErrors): void {
  if (!annotations) return;
  const context = spec.securityContext;
  matchProfile(
    annotations[seccompPodAnnotation],
    context?.seccompProfile,
    'seccomp',
    path.child('securityContext', 'seccompProfile'),
    errors,
  );
  for (const [container, at] of eachContainer(spec, path)) {
    const own = container.securityContext;
    const seccompPath = at.child('securityContext', 'seccompProfile');
    matchProfile(annotations[`${seccompContainerAnnotationPrefix}${container.name}`], own?.seccompProfile, 'seccomp', seccompPath, errors);
    if (spec.os?.name === 'windows') continue;
    const appArmor = own?.appArmorProfile ?? context?.appArmorProfile;
    const appArmorPath = at.child('securityContext', 'appArmorProfile');
    matchProfile(annotations[`${appArmorAnnotationPrefix}${container.name}`], appArmor, 'apparmor', appArmorPath, errors);
  }
}

/** Mirror and AppArmor annotations are there from the start and stay as they are. */
export function validatePodAnnotationsUpdate(next: Annotations, prev: Annotations, path: FieldPath, errors: FieldErrors): void {
  for (const [key, value] of Object.entries(prev ?? {})) {
    if (next?.[key] === value) continue;
    if (key.startsWith(appArmorAnnotationPrefix)) errors.forbidden(path.key(key), 'may not remove or update AppArmor annotations');
    if (key === mirrorPodAnnotation) errors.forbidden(path.key(key), 'may not remove or update mirror pod annotation');
  }
  for (const key of Object.keys(next ?? {})) {
    if (prev?.[key] !== undefined) continue;
    if (key.startsWith(appArmorAnnotationPrefix)) errors.forbidden(path.key(key), 'may not add AppArmor annotations');
    if (key === mirrorPodAnnotation) errors.forbidden(path.key(key), 'may not add mirror pod annotation');
  }
}

/** The profile that an old annotation names; undefined where it names none. */
function appArmorProfileOf(annotation: string): AppArmorProfile | undefined {
  if (annotation === 'unconfined') return { type: 'Unconfined' };
  if (annotation === 'runtime/default') return { type: 'RuntimeDefault' };
  const name = annotation.startsWith('localhost/') ? annotation.slice('localhost/'.length) : '';
  if (name === '' || name.trim() !== name || byteLength(name) > maxAppArmorProfileBytes) return undefined;
  return { type: 'Localhost', localhostProfile: name };
}

/** Fills in a new pod's AppArmor fields from the annotations that came before them (KEP-24). */
export function adoptAppArmorAnnotations(pod: Pod, warn?: (message: string) => void): void {
  const { annotations } = pod.metadata;
  if (!annotations || pod.spec.os?.name === 'windows') return;
  const ofPod = pod.spec.securityContext?.appArmorProfile;
  for (const [container] of eachContainer(pod.spec, new FieldPath())) {
    const key = `${appArmorAnnotationPrefix}${container.name}`;
    const annotation = annotations[key];
    if (annotation === undefined || container.securityContext?.appArmorProfile) continue;
    const profile = appArmorProfileOf(annotation);
    if (profile && semanticEqual(profile, ofPod)) continue;
    if (profile) container.securityContext = { ...container.securityContext, appArmorProfile: profile };
    warn?.(`metadata.annotations[${key}]: deprecated since v1.30; use the "appArmorProfile" field instead`);
  }
}
