import { type FieldErrors, FieldPath, goQuote } from '../fields.ts';
import { Node, type Taint } from '../generated/core.v1.ts';
import { isCidr, parseCidr } from '../ip.ts';
import { isJsonObject } from '../json-object.ts';
import { goSyntaxError } from '../json-text.ts';
import { defineKind } from '../kind.ts';
import { isLabelValue } from '../names.ts';
import { validateLabelName } from '../object-meta.ts';
import { ageColumn, fieldDoc, nameColumn } from '../printing.ts';
import { cidrWarnings } from '../warnings.ts';
import { notPositive, rejectNew, requireOneOf } from './checks.ts';
import { validateResourceQuantity } from './resource-names.ts';
import { taintEffects } from './scheduling-rules.ts';

const specPath = new FieldPath('spec');
const statusPath = new FieldPath('status');
// Upstream reports a node's taints there.
const taintsPath = new FieldPath('metadata').child('taints');

function validateTaints(taints: readonly Taint[], errors: FieldErrors): void {
  const seen = new Set<string>();
  for (const [i, taint] of taints.entries()) {
    const at = taintsPath.index(i);
    validateLabelName(taint.key, at.child('key'), errors);
    const wrong = isLabelValue(taint.value ?? '');
    if (wrong.length > 0) errors.invalid(at.child('value'), taint.value, wrong.join(';'));
    requireOneOf(errors, at.child('effect'), taint.effect, taintEffects);
    const key = `${taint.effect} ${taint.key}`;
    if (seen.has(key)) {
      const shown = { Key: taint.key, Value: taint.value ?? '', Effect: taint.effect, TimeAdded: taint.timeAdded ?? null };
      errors.duplicate(at, shown, 'taints must be unique by key and effect pair');
    }
    seen.add(key);
  }
}

/** Dynamic kubelet configuration is gone: nobody may ask for it any more. */
function dropConfigSource(node: Node): void {
  delete node.spec.configSource;
}

function validateResources(node: Node, errors: FieldErrors): void {
  for (const field of ['capacity', 'allocatable'] as const)
    for (const [name, value] of Object.entries(node.status?.[field] ?? {}))
      validateResourceQuantity(name, value, statusPath.child(field, name), errors);
}

const avoidPodsAnnotation = 'scheduler.alpha.kubernetes.io/preferAvoidPods';

/** Which pods' controllers the node would rather do without: JSON, each of a controller. */
function validateAnnotations({ metadata: { annotations = {} } }: Node, errors: FieldErrors): void {
  const text = annotations[avoidPodsAnnotation];
  if (!text) return;
  const path = new FieldPath('metadata').child('annotations');
  const avoided = readAvoidedPods(text);
  if (typeof avoided === 'string') errors.invalid(path.child('AvoidPods'), avoidPodsAnnotation, avoided);
  else
    for (const [i, { podSignature }] of avoided.entries()) {
      const at = path.child(avoidPodsAnnotation).index(i).child('PodSignature');
      const controller = podSignature?.podController;
      if (!controller) errors.required(at);
      else if (!controller.controller) errors.invalid(at.child('PodController', 'Controller'), false, 'must point to a controller');
    }
}

interface AvoidedPod {
  podSignature?: { podController?: { controller?: boolean } };
}

/** What the annotation says, or what is wrong with it as JSON. */
function readAvoidedPods(text: string): AvoidedPod[] | string {
  try {
    const value: unknown = JSON.parse(text);
    const list = isJsonObject(value) ? value.preferAvoidPods : undefined;
    // Of what else it holds nothing is read.
    return Array.isArray(list) ? (list.filter(isJsonObject) as AvoidedPod[]) : [];
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return goSyntaxError(text);
  }
}

function validatePodCidrs(cidrs: readonly string[], errors: FieldErrors): void {
  const path = specPath.child('podCIDRs');
  for (const [i, cidr] of cidrs.entries()) rejectNew(errors, path.index(i), cidr, isCidr(cidr));
  if (cidrs.length < 2) return;
  const families = cidrs.map((cidr) => parseCidr(cidr)?.address.family);
  const unknown = families.indexOf(undefined);
  if (unknown >= 0) {
    const why = `invalid CIDR[${unknown}]: <nil> (invalid CIDR address: ${cidrs[unknown]})`;
    errors.internal(path, `invalid PodCIDRs. failed to check with dual stack with error:${why}`);
  }
  if (unknown >= 0 || new Set(families).size < 2 || cidrs.length > 2)
    errors.invalid(path, cidrs, 'may specify no more than one CIDR for each IP family');
}

const featureName = /^[A-Z][a-zA-Z0-9]*(\/[a-zA-Z][a-zA-Z0-9]*)*$/;
const maxFeatureName = 253;

/** What a kubelet says that it can do: names in order, each once. */
function validateDeclaredFeatures(features: readonly string[], errors: FieldErrors): void {
  const path = statusPath.child('declaredFeatures');
  for (const [i, name] of features.entries()) {
    const wrong = (why: string) => errors.invalid(path.index(i), name, `invalid feature name ${goQuote(name)}: ${why}`);
    if (name.length > maxFeatureName) wrong(`must be no more than ${maxFeatureName} characters`);
    else if (!featureName.test(name))
      wrong(
        "must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes",
      );
    const next = features[i + 1];
    if (next === undefined) continue;
    if (next === name) errors.duplicate(path.index(i + 1), next);
    else if (next < name) errors.invalid(path.index(i + 1), next, 'list must be sorted alphabetically');
  }
}

function statusOf(node: Node): string {
  const ready = node.status?.conditions?.find((condition) => condition.type === 'Ready');
  const words = [ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady'];
  if (node.spec.unschedulable) words.push('SchedulingDisabled');
  return words.join(',');
}

const rolePrefix = 'node-role.kubernetes.io/';

/** Roles are labels: `node-role.kubernetes.io/ROLE`, or `kubernetes.io/role: ROLE`. */
function rolesOf(node: Node): string {
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(node.metadata.labels ?? {})) {
    if (key.startsWith(rolePrefix) && key.length > rolePrefix.length) roles.add(key.slice(rolePrefix.length));
    else if (key === 'kubernetes.io/role' && value !== '') roles.add(value);
  }
  return roles.size === 0 ? '<none>' : [...roles].sort().join(',');
}

const addressOf = (node: Node, type: string) => node.status?.addresses?.find((address) => address.type === type)?.address ?? '<none>';

export const node = defineKind<Node>({
  resource: Node,
  shortNames: ['no'],
  storagePrefix: 'minions',
  generation: false,
  keepStatusOnCreate: true,
  defaults(node) {
    node.spec ??= {};
    // podCIDR is the first of podCIDRs: whichever is there gives the other, and the older one wins.
    const { podCIDR, podCIDRs = [] } = node.spec;
    if (podCIDR && podCIDR !== podCIDRs[0]) node.spec.podCIDRs = [podCIDR];
    else if (podCIDRs[0] !== undefined) node.spec.podCIDR = podCIDRs[0];
    if (node.status && !node.status.allocatable && node.status.capacity) node.status.allocatable = { ...node.status.capacity };
  },
  create: dropConfigSource,
  update(next, prev) {
    next.status = prev.status;
    if (!prev.spec.configSource) dropConfigSource(next);
  },
  validate(node, errors) {
    validateAnnotations(node, errors);
    validateTaints(node.spec.taints ?? [], errors);
    validateResources(node, errors);
    const swap = node.status?.nodeInfo?.swap?.capacity;
    // Upstream's path.
    if (swap !== undefined && swap <= 0) errors.invalid(new FieldPath('metadata').child('nodeSwapStatus', 'capacity'), swap, notPositive);
    validateDeclaredFeatures(node.status?.declaredFeatures ?? [], errors);
    validatePodCidrs(node.spec.podCIDRs ?? [], errors);
  },
  validateUpdate(next, prev, errors) {
    const before = prev.spec.podCIDRs ?? [];
    const path = specPath.child('podCIDRs');
    if (before.length > 0 && before.join() !== (next.spec.podCIDRs ?? []).join())
      errors.forbidden(path, 'node updates may not change podCIDR except from "" to valid');
    if (prev.spec.providerID && prev.spec.providerID !== next.spec.providerID)
      errors.forbidden(specPath.child('providerID'), 'node updates may not change providerID except from "" to valid');
    if ((next.spec.externalID ?? '') !== (prev.spec.externalID ?? '')) errors.forbidden(specPath.child('externalID'), 'may not be updated');
  },
  warnings: ({ spec }) => [
    ...(spec.configSource ? ['spec.configSource: the feature is removed'] : []),
    ...(spec.externalID ? ['spec.externalID: this field is deprecated, and is unused by Kubernetes'] : []),
    ...(spec.podCIDRs ?? []).flatMap((cidr, i) => cidrWarnings(specPath.child('podCIDRs').index(i), cidr)),
  ],
  fieldSelectors: { 'spec.unschedulable': ({ spec }) => String(spec.unschedulable ?? false) },
  subresources: {
    status: {
      update(next, prev) {
        next.spec = prev.spec;
        if (!prev.status?.config) delete next.status?.config;
      },
      validate(next, _prev, errors) {
        validateAnnotations(next, errors);
        validateResources(next, errors);
        validateDeclaredFeatures(next.status?.declaredFeatures ?? [], errors);
        const seen = new Set<string>();
        for (const [i, address] of (next.status?.addresses ?? []).entries()) {
          const key = `${address.type} ${address.address}`;
          if (seen.has(key)) errors.duplicate(statusPath.child('addresses').index(i), { Type: address.type, Address: address.address });
          seen.add(key);
        }
      },
    },
  },
  columns: [
    nameColumn,
    { name: 'Status', description: 'The status of the node', value: statusOf },
    { name: 'Roles', description: 'The roles of the node', value: rolesOf },
    ageColumn,
    {
      name: 'Version',
      description: fieldDoc('core.v1.NodeSystemInfo.kubeletVersion'),
      value: ({ status }) => status?.nodeInfo?.kubeletVersion ?? '',
    },
    {
      name: 'Internal-IP',
      priority: 1,
      description: fieldDoc('core.v1.NodeStatus.addresses'),
      value: (node) => addressOf(node, 'InternalIP'),
    },
    {
      name: 'External-IP',
      priority: 1,
      description: fieldDoc('core.v1.NodeStatus.addresses'),
      value: (node) => addressOf(node, 'ExternalIP'),
    },
    {
      name: 'OS-Image',
      priority: 1,
      description: fieldDoc('core.v1.NodeSystemInfo.osImage'),
      value: ({ status }) => status?.nodeInfo?.osImage || '<unknown>',
    },
    {
      name: 'Kernel-Version',
      priority: 1,
      description: fieldDoc('core.v1.NodeSystemInfo.kernelVersion'),
      value: ({ status }) => {
        const { architecture, kernelVersion } = status?.nodeInfo ?? {};
        return `${kernelVersion || '<unknown>'}${architecture ? ` (${architecture})` : ''}`;
      },
    },
    {
      name: 'Container-Runtime',
      priority: 1,
      description: fieldDoc('core.v1.NodeSystemInfo.containerRuntimeVersion'),
      value: ({ status }) => status?.nodeInfo?.containerRuntimeVersion || '<unknown>',
    },
  ],
});
