import { reject } from '../core/checks.ts';
import { validateNodeSelector } from '../core/scheduling-rules.ts';
import { semanticEqual } from '../equality.ts';
import { type FieldErrors, FieldPath, goQuote } from '../fields.ts';
import { ResourceSlice, type ResourceSliceSpec } from '../generated/resource.v1.ts';
import * as v1beta1 from '../generated/resource.v1beta1.ts';
import * as v1beta2 from '../generated/resource.v1beta2.ts';
import { internalForm } from '../internal-form.ts';
import { defineKind } from '../kind.ts';
import { isDns1123Subdomain } from '../names.ts';
import { validateImmutable } from '../object-meta.ts';
import { ageColumn, fieldDoc, nameColumn } from '../printing.ts';
import { convertedVersion, sameShape } from '../served-version.ts';
import { validateDriverName, validatePoolName, validateRequiredShortName, validateSet } from './checks.ts';
import { validateCounters, validateDevice } from './device.ts';
import { stampTaint } from './device-taints.ts';
import { fromSliceSpec, toSliceSpec } from './v1beta1.ts';

const specPath = new FieldPath('spec');
const maxDevices = 128;
/** Where devices have taints, counters or lists of attributes. */
const maxAdvancedDevices = 64;
const maxCounterSets = 8;
const oneOfNodes = 'exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required';

const sliceV1beta1 = convertedVersion(v1beta1.ResourceSlice, ResourceSlice, {
  toStorage: ({ spec, ...slice }) => ({ ...slice, spec: toSliceSpec(spec) }),
  fromStorage: ({ spec, ...slice }) => ({ ...slice, spec: fromSliceSpec(spec) }),
});

function validateNodes({ nodeName, nodeSelector, allNodes, perDeviceNodeSelection }: ResourceSliceSpec, errors: FieldErrors): void {
  const set: string[] = [];
  if (nodeName) {
    set.push('`nodeName`');
    reject(errors, specPath.child('nodeName'), nodeName, isDns1123Subdomain(nodeName));
  } else if (nodeName === '') errors.invalid(specPath.child('nodeName'), nodeName, 'must be either unset or set to a non-empty string');
  if (nodeSelector) {
    set.push('`nodeSelector`');
    const at = specPath.child('nodeSelector');
    validateNodeSelector(nodeSelector, at, errors);
    if (nodeSelector.nodeSelectorTerms?.length !== 1)
      errors.invalid(
        at.child('nodeSelectorTerms'),
        nodeSelector.nodeSelectorTerms?.map((term) => internalForm('core.v1.NodeSelectorTerm', term)) ?? null,
        'must have exactly one node selector term',
      );
  }
  for (const [field, value] of [
    ['allNodes', allNodes],
    ['perDeviceNodeSelection', perDeviceNodeSelection],
  ] as const) {
    if (value) set.push(`\`${field}\``);
    else if (value === false) errors.invalid(specPath.child(field), value, 'must be either unset or set to true');
  }
  if (set.length === 0) errors.required(specPath, oneOfNodes);
  else if (set.length > 1) errors.invalid(specPath, `{${set.join(', ')}}`, `${oneOfNodes}, but multiple fields are set`);
}

function isAdvanced({ devices = [] }: ResourceSliceSpec): boolean {
  return devices.some(
    ({ taints, consumesCounters, attributes = {} }) =>
      taints?.length ||
      consumesCounters?.length ||
      Object.values(attributes).some(({ bools, ints, strings, versions }) => bools ?? ints ?? strings ?? versions),
  );
}

function validateSpec(spec: ResourceSliceSpec, prev: ResourceSliceSpec | undefined, errors: FieldErrors): void {
  const { driver = '', pool } = spec;
  const poolPath = specPath.child('pool');
  validateDriverName(driver, specPath.child('driver'), errors);
  validatePoolName(pool?.name ?? '', poolPath.child('name'), errors);
  if ((pool?.resourceSliceCount ?? 0) <= 0)
    errors.invalid(poolPath.child('resourceSliceCount'), pool?.resourceSliceCount ?? 0, 'must be greater than zero');
  if ((pool?.generation ?? 0) < 0) errors.invalid(poolPath.child('generation'), pool?.generation, 'must be greater than or equal to zero');
  if (prev) {
    validateImmutable(pool?.name, prev.pool?.name, poolPath.child('name'), errors);
    validateImmutable(spec.driver, prev.driver, specPath.child('driver'), errors);
    validateImmutable(spec.nodeName, prev.nodeName, specPath.child('nodeName'), errors);
  }
  validateNodes(spec, errors);
  if (spec.sharedCounters && spec.devices) errors.invalid(specPath, '', 'only one of `sharedCounters` or `devices` is allowed');
  const known = new Map(prev?.devices?.map((device) => [device.name, device]));
  validateSet(
    spec.devices,
    isAdvanced(spec) ? maxAdvancedDevices : maxDevices,
    (device, at) => validateDevice(device, known.get(device.name), spec.perDeviceNodeSelection === true, at, errors),
    ({ name }) => name,
    specPath.child('devices'),
    errors,
  );
  validateSet(
    spec.sharedCounters,
    maxCounterSets,
    (set, at) => {
      validateRequiredShortName(set.name, at.child('name'), errors);
      validateCounters(set.counters, at.child('counters'), errors);
    },
    ({ name }) => name,
    specPath.child('sharedCounters'),
    errors,
  );
}

function stampTaints(slice: ResourceSlice, now: string): void {
  for (const device of slice.spec?.devices ?? []) for (const taint of device.taints ?? []) stampTaint(taint, now);
}

/** Devices of one driver, in a pool that may span several slices. */
export const resourceSlice = defineKind<ResourceSlice>({
  resource: ResourceSlice,
  answersDeleted: true,
  versions: [sameShape(v1beta2.ResourceSlice, ResourceSlice), sliceV1beta1],
  generation: (next, prev) => !semanticEqual(next.spec, prev.spec),
  create: (slice, { now }) => stampTaints(slice, now),
  update: (slice, _prev, { now }) => stampTaints(slice, now),
  validateCreate: ({ spec }, errors) => validateSpec(spec, undefined, errors),
  validateUpdate: (next, prev, errors) => validateSpec(next.spec, prev.spec, errors),
  warnings: ({ spec: { driver } }) =>
    driver === driver.toLowerCase()
      ? []
      : [`spec.driver: driver names should be lowercase; ${goQuote(driver)} contains uppercase characters`],
  fieldSelectors: { 'spec.nodeName': ({ spec }) => spec.nodeName ?? '', 'spec.driver': ({ spec }) => spec.driver },
  columns: [
    nameColumn,
    {
      name: 'Node',
      description: fieldDoc('resource.v1.ResourceSliceSpec.nodeName'),
      value: ({ spec }) => spec.nodeName ?? '',
    },
    {
      name: 'Driver',
      description: fieldDoc('resource.v1.ResourceSliceSpec.driver'),
      value: ({ spec }) => spec.driver,
    },
    { name: 'Pool', description: fieldDoc('resource.v1.ResourcePool.name'), value: ({ spec }) => spec.pool?.name ?? '' },
    ageColumn,
  ],
});
