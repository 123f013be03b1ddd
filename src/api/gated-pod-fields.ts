/** What of pods goes with features that are off, where it is more than a field (upstream's pkg/api/pod/util.go). */
import type { Container, PodSpec, Volume, VolumeMount } from './generated/core.v1.ts';

const lists = ['containers', 'initContainers', 'ephemeralContainers'] as const;

function* allContainers(spec: PodSpec | undefined): Generator<Container> {
  // What both kinds of containers have.
  for (const list of lists) yield* (spec?.[list] ?? []) as readonly Container[];
}

const isImage = ({ image }: Volume) => image !== undefined;

/** Volumes that are images go, and where they are mounted. */
function dropImageVolumes(spec: PodSpec): void {
  const dropped = new Set(spec.volumes?.filter(isImage).map(({ name }) => name));
  if (dropped.size === 0) return;
  const kept = spec.volumes?.filter((volume) => !isImage(volume)) ?? [];
  if (kept.length > 0) spec.volumes = kept;
  else delete spec.volumes;
  for (const container of allContainers(spec)) {
    const mounts: VolumeMount[] = container.volumeMounts?.filter(({ name }) => !dropped.has(name)) ?? [];
    if (mounts.length === (container.volumeMounts?.length ?? 0)) continue;
    if (mounts.length > 0) container.volumeMounts = mounts;
    else delete container.volumeMounts;
  }
}

const hasOwnPolicy = ({ restartPolicy }: Container) => restartPolicy !== undefined && restartPolicy !== 'Always';
const usesRestartRules = ({ containers, initContainers = [] }: PodSpec) =>
  containers.some(({ restartPolicy }) => restartPolicy !== undefined) ||
  initContainers.some((container) => hasOwnPolicy(container) || container.restartPolicyRules?.length);

/** Sidecars stay what they are. */
function dropRestartRules(spec: PodSpec): void {
  for (const container of allContainers(spec)) {
    if (!spec.initContainers?.includes(container) || hasOwnPolicy(container)) delete container.restartPolicy;
    delete container.restartPolicyRules;
  }
}

const isUnmasked = ({ securityContext }: Container) => (securityContext?.procMount ?? 'Default') !== 'Default';

/** Takes from a pod about to be written what its features that are off would bring; `prev`: the pod as it is. */
export function dropDisabledPodFields(spec: PodSpec, prev: PodSpec | undefined, isEnabled: (gate: string) => boolean): void {
  if (!isEnabled('ImageVolume') && !prev?.volumes?.some(isImage)) dropImageVolumes(spec);
  if (!isEnabled('ContainerRestartRules') && !(prev && usesRestartRules(prev))) dropRestartRules(spec);
  if (!isEnabled('ProcMountType') && ![...allContainers(prev)].some(isUnmasked))
    for (const container of allContainers(spec))
      if (isUnmasked(container)) Object.assign(container.securityContext ?? {}, { procMount: 'Default' });
}
