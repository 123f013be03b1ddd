/** What is allowed in a pod or a pod template but will not do what it seems to (upstream: pkg/api/pod/warnings.go). */
import { FieldPath, goQuote } from '../fields.ts';
import type { Container, ContainerPort, EphemeralContainer, Pod, PodAffinityTerm, PodSpec, PodTemplateSpec } from '../generated/core.v1.ts';
import type { KubeObject } from '../resource.ts';
import { hostnameWarnings, ipWarnings } from '../warnings.ts';
import { nodeLabelMapWarnings, nodeTermWarnings, oldNodeLabel } from './node-label-warnings.ts';
import { appArmorAnnotationPrefix, seccompContainerAnnotationPrefix, seccompPodAnnotation } from './pod-annotations.ts';
import { eachContainer } from './pod-os.ts';
import { claimSpecWarnings, fractionWarnings, goneSourceWarnings, overlappingFileWarnings } from './volume-warnings.ts';

type Annotations = Readonly<Record<string, string>>;
type AnyContainer = Container | EphemeralContainer;

const required = 'requiredDuringSchedulingIgnoredDuringExecution';
const preferred = 'preferredDuringSchedulingIgnoredDuringExecution';
const nullSelector = 'a null labelSelector results in matching no pod';

const deadAnnotations = {
  'scheduler.alpha.kubernetes.io/critical-pod': 'non-functional in v1.16+; use the "priorityClassName" field instead',
  'security.alpha.kubernetes.io/sysctls': 'non-functional in v1.11+; use the "sysctls" field instead',
  'security.alpha.kubernetes.io/unsafe-sysctls': 'non-functional in v1.11+; use the "sysctls" field instead',
};

function nodeChoiceWarnings(spec: PodSpec, at: FieldPath): string[] {
  const { nodeAffinity } = spec.affinity ?? {};
  const path = at.child('affinity', 'nodeAffinity');
  const terms = nodeAffinity?.[required]?.nodeSelectorTerms ?? [];
  return [
    ...nodeLabelMapWarnings(spec.nodeSelector, (key) => at.child('nodeSelector').key(key)),
    ...terms.flatMap((term, i) => nodeTermWarnings(term, false, path.child(required, 'nodeSelectorTerms').index(i))),
    ...(nodeAffinity?.[preferred] ?? []).flatMap(({ preference }, i) =>
      nodeTermWarnings(preference ?? {}, true, path.child(preferred).index(i).child('preference')),
    ),
    ...(spec.topologySpreadConstraints ?? []).flatMap(({ labelSelector, topologyKey }, i) => {
      const own = at.child('topologySpreadConstraints').index(i);
      const message = oldNodeLabel(topologyKey ?? '');
      return [
        ...(message === undefined ? [] : [`${own.child('topologyKey')}: ${topologyKey} is ${message}`]),
        ...(labelSelector ? [] : [`${own.child('labelSelector')}: ${nullSelector}`]),
      ];
    }),
  ];
}

function podAffinityWarnings({ affinity }: PodSpec, at: FieldPath): string[] {
  if (!affinity) return [];
  const warn = (term: PodAffinityTerm | undefined, path: FieldPath) =>
    term?.labelSelector ? [] : [`${path.child('labelSelector')}: ${nullSelector}`];
  return (['podAffinity', 'podAntiAffinity'] as const).flatMap((kind) => {
    const path = at.child('affinity', kind);
    return [
      ...(affinity[kind]?.[required] ?? []).flatMap((term, i) => warn(term, path.child(required).index(i))),
      ...(affinity[kind]?.[preferred] ?? []).flatMap(({ podAffinityTerm }, i) =>
        warn(podAffinityTerm, path.child(preferred).index(i).child('podAffinityTerm')),
      ),
    ];
  });
}

/** The places after the first at which a value comes again. */
function* repeated<T>(values: readonly T[]): Generator<[number, T]> {
  for (const [i, value] of values.entries()) if (values.indexOf(value) < i) yield [i, value];
}

function listWarnings(spec: PodSpec, at: FieldPath): string[] {
  const { hostAliases = [], imagePullSecrets = [] } = spec;
  const warnings: string[] = [];
  const aliasPath = at.child('hostAliases');
  const secretPath = at.child('imagePullSecrets');
  for (const [i, ip] of repeated(hostAliases.map((alias) => alias.ip)))
    warnings.push(`${aliasPath.index(i).child('ip')}: duplicate ip ${goQuote(ip)}`);
  const names = imagePullSecrets.map(({ name = '' }) => name);
  for (const [i, name] of repeated(names)) warnings.push(`${secretPath.index(i).child('name')}: duplicate name ${goQuote(name)}`);
  for (const [i, name] of names.entries()) if (name === '') warnings.push(`${secretPath.index(i).child('name')}: invalid empty name ""`);
  return warnings;
}

const addressWarnings = ({ dnsConfig, hostAliases = [] }: PodSpec, at: FieldPath): string[] => [
  ...(dnsConfig?.nameservers ?? []).flatMap((ip, i) => ipWarnings(at.child('dnsConfig', 'nameservers').index(i), ip)),
  ...hostAliases.flatMap(({ ip }, i) => ipWarnings(at.child('hostAliases').index(i).child('ip'), ip)),
];

/** An annotation that a profile's field took the place of, where the field is not there. */
function profileWarnings(spec: PodSpec, annotations: Annotations, isTemplate: boolean, at: FieldPath, path: FieldPath): string[] {
  const { appArmorProfile, seccompProfile } = spec.securityContext ?? {};
  const annotationsPath = path.child('metadata', 'annotations');
  const deadSeccomp = (key: string) => `${annotationsPath.key(key)}: non-functional in v1.27+; use the "seccompProfile" field instead`;
  const warnings = seccompPodAnnotation in annotations && !seccompProfile ? [deadSeccomp(seccompPodAnnotation)] : [];
  for (const [{ name, securityContext }] of eachContainer(spec, at)) {
    const seccomp = seccompContainerAnnotationPrefix + name;
    if (seccomp in annotations && !securityContext?.seccompProfile) warnings.push(deadSeccomp(seccomp));
    const appArmor = appArmorAnnotationPrefix + name;
    // Of a pod's own annotations it is said when they become fields.
    if (isTemplate && appArmor in annotations && !appArmorProfile && !securityContext?.appArmorProfile)
      warnings.push(`${annotationsPath.key(appArmor)}: deprecated since v1.30; use the "appArmorProfile" field instead`);
  }
  return warnings;
}

/** A variable that is defined again without using what it was before. */
function environmentWarnings({ env = [] }: AnyContainer, path: FieldPath): string[] {
  const seen = new Set<string>();
  return env.flatMap(({ name, value = '', valueFrom }, i) => {
    if (!seen.has(name)) {
      seen.add(name);
      return [];
    }
    const reference = `$(${name})`;
    if (!valueFrom && value !== reference && value.includes(reference)) return [];
    return [`${path.child('env').index(i)}: hides previous definition of ${goQuote(name)}, which may be dropped when using apply`];
  });
}

function resourceWarnings({ resources }: AnyContainer, path: FieldPath): string[] {
  if (!resources) return [];
  return (['memory', 'ephemeral-storage'] as const).flatMap((name) =>
    (['limits', 'requests'] as const).flatMap((list) =>
      fractionWarnings(resources[list]?.[name], () => path.child('resources', list).key(name)),
    ),
  );
}

interface PlacedPort {
  port: ContainerPort;
  at: FieldPath;
}

function conflict({ port: a }: PlacedPort, { port: b }: PlacedPort): string | undefined {
  const hostIps = [a.hostIP ?? '', b.hostIP ?? ''] as const;
  const hostPorts = [a.hostPort ?? 0, b.hostPort ?? 0] as const;
  if (hostIps[0] === hostIps[1] && hostPorts[0] === hostPorts[1]) return 'duplicate';
  if (hostPorts.includes(0)) return 'overlapping';
  return hostPorts[0] === hostPorts[1] && hostIps.includes('') ? 'dangerously ambiguous' : undefined;
}

function portWarnings(spec: PodSpec, at: FieldPath): string[] {
  const warnings: string[] = [];
  const known = new Map<string, PlacedPort[]>();
  const names = new Map<string, FieldPath>();
  for (const [container, path] of eachContainer(spec, at)) {
    for (const [i, port] of (container.ports ?? []).entries()) {
      const placed = { port, at: path.child('ports').index(i) };
      const { containerPort, hostIP = '', hostPort = 0, name = '', protocol = '' } = port;
      if (hostIP && !hostPort)
        warnings.push(
          `${placed.at}: hostIP set without hostPort: {Name:${name} HostPort:0 ContainerPort:${containerPort} Protocol:${protocol} HostIP:${hostIP}}`,
        );
      const others = known.get(`${containerPort}/${protocol}`) ?? [];
      for (const other of others) {
        const how = conflict(placed, other);
        if (how) warnings.push(`${placed.at}: ${how} port definition with ${other.at}`);
      }
      known.set(`${containerPort}/${protocol}`, [...others, placed]);
    }
  }
  for (const [container, path] of eachContainer(spec, at)) {
    for (const [i, { name }] of (container.ports ?? []).entries()) {
      if (!name) continue;
      const own = path.child('ports').index(i);
      const other = names.get(name);
      if (other)
        warnings.push(
          `${own}: duplicate port name ${goQuote(name)} with ${other}, services and probes that select ports by name will use ${other}`,
        );
      else names.set(name, own);
    }
  }
  return warnings;
}

function specWarnings(spec: PodSpec, annotations: Annotations, isTemplate: boolean, path: FieldPath): string[] {
  const at = path.child('spec');
  const warnings = nodeChoiceWarnings(spec, at);
  for (const [key, message] of Object.entries(deadAnnotations))
    if (key in annotations) warnings.push(`${path.child('metadata', 'annotations').key(key)}: ${message}`);
  for (const [i, volume] of (spec.volumes ?? []).entries()) {
    const own = at.child('volumes').index(i);
    warnings.push(...goneSourceWarnings(volume, own));
    const template = volume.ephemeral?.volumeClaimTemplate;
    if (template) warnings.push(...claimSpecWarnings(template.spec ?? {}, own.child('ephemeral', 'volumeClaimTemplate', 'spec')));
  }
  for (const volume of spec.volumes ?? []) warnings.push(...overlappingFileWarnings(volume));
  warnings.push(...listWarnings(spec, at));
  for (const name of ['memory', 'ephemeral-storage'])
    warnings.push(...fractionWarnings(spec.overhead?.[name], () => at.child('overhead').key(name)));
  warnings.push(...profileWarnings(spec, annotations, isTemplate, at, path));
  for (const [container, own] of eachContainer(spec, at))
    warnings.push(...resourceWarnings(container, own), ...environmentWarnings(container, own));
  warnings.push(...portWarnings(spec, at));
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0)
    warnings.push(`${at.child('terminationGracePeriodSeconds')}: must be >= 0; negative values are invalid and will be treated as 1`);
  return [...warnings, ...podAffinityWarnings(spec, at), ...addressWarnings(spec, at)];
}

/** Of a pod that is made; those that are there already are left in peace. */
export function podWarnings({ metadata, spec }: { metadata: KubeObject['metadata']; spec: PodSpec }): string[] {
  return [
    ...hostnameWarnings(metadata.name, "the Pod's hostname"),
    ...specWarnings(spec, metadata.annotations ?? {}, false, new FieldPath()),
  ];
}

export function podTemplateWarnings(template: PodTemplateSpec | undefined, path: FieldPath): string[] {
  if (!template?.spec) return [];
  return specWarnings(template.spec, template.metadata?.annotations ?? {}, true, path);
}

/**
 * Of a workload's pod template, when it is made and whenever its generation rises. `isNamed`: its name becomes part of its pods'
 * names, of which a new one is warned.
 */
export function workloadWarnings(
  { metadata }: KubeObject,
  prev: KubeObject | undefined,
  template: PodTemplateSpec | undefined,
  { isNamed = true, path = new FieldPath('spec').child('template') }: { isNamed?: boolean; path?: FieldPath } = {},
): string[] {
  if (prev) return metadata.generation === prev.metadata.generation ? [] : podTemplateWarnings(template, path);
  return [...(isNamed ? hostnameWarnings(metadata.name) : []), ...podTemplateWarnings(template, path)];
}

/** Addresses of the pod and its node in forms of old. */
export const podStatusWarnings = ({ status = {} }: Pod): string[] =>
  (['podIPs', 'hostIPs'] as const).flatMap((list) =>
    (status[list] ?? []).flatMap(({ ip }, i) => ipWarnings(new FieldPath('status').child(list).index(i).child('ip'), ip)),
  );
