/** A device as its driver publishes it in a ResourceSlice. */

import { reject } from '../core/checks.ts';
import { validateNodeSelector } from '../core/scheduling-rules.ts';
import { semanticEqual } from '../equality.ts';
import type { FieldErrors, FieldPath } from '../fields.ts';
import type { Device, DeviceAttribute, DeviceCounterConsumption } from '../generated/resource.v1.ts';
import { byteLength, isDns1123Subdomain } from '../names.ts';
import { parseSemver } from '../semver.ts';
import { validateBindingConditions } from './binding-conditions.ts';
import { validateQualifiedName, validateRequiredShortName, validateSet, validateShortName, validateSlice } from './checks.ts';
import { validateCapacity } from './device-capacity.ts';
import { validateTaint } from './device-taints.ts';

const maxAttributesAndCapacities = 32;
const maxAttributeValues = 48;
const maxTaints = 16;
const maxCounterConsumptions = 2;
export const maxCounters = 32;
const maxValueBytes = 64;
const maxShownKey = 63 + 1 + 32;

/** A long key in a path, its middle left out. */
export function shownKey(key: string, max = maxShownKey): string {
  if (key.length <= max) return key;
  const rest = max - 3;
  return `${key.slice(0, Math.floor((rest + 1) / 2))}...${key.slice(key.length - Math.floor(rest / 2))}`;
}

function validateText(value: string, path: FieldPath, errors: FieldErrors): void {
  if (byteLength(value) > maxValueBytes) errors.tooLong(path, maxValueBytes);
}

function validateVersion(value: string, path: FieldPath, errors: FieldErrors): void {
  if (!parseSemver(value)) errors.invalid(path, value, 'must be a string compatible with semver.org spec 2.0.0');
  validateText(value, path, errors);
}

/** As upstream's internal type has it. */
const shownAttribute = ({ int, bool, string, version, ints, bools, strings, versions }: DeviceAttribute) => ({
  ...{ IntValue: int ?? null, BoolValue: bool ?? null, StringValue: string ?? null, VersionValue: version ?? null },
  ...{ IntValues: ints ?? null, BoolValues: bools ?? null, StringValues: strings ?? null, VersionValues: versions ?? null },
});

function validateAttribute(attribute: DeviceAttribute, path: FieldPath, errors: FieldErrors): void {
  const { string, version } = attribute;
  if (string !== undefined) validateText(string, path.child('string'), errors);
  if (version !== undefined) validateVersion(version, path.child('version'), errors);
  for (const field of ['bools', 'ints', 'strings', 'versions'] as const)
    if (attribute[field]?.length === 0) errors.invalid(path.child(field), [], 'must not be empty if specified');
  for (const [i, item] of (attribute.strings ?? []).entries()) validateText(item, path.child('strings').index(i), errors);
  for (const [i, item] of (attribute.versions ?? []).entries()) validateVersion(item, path.child('versions').index(i), errors);
  const set = Object.values(attribute).filter((value) => value !== undefined).length;
  if (set !== 1) errors.invalid(path, set === 0 ? '' : shownAttribute(attribute), 'exactly one value must be specified');
}

/** How many values a device's attributes have, each item of a list counted. */
function countValues({ attributes = {} }: Device): number {
  return Object.values(attributes).reduce((sum, { bools = [], ints = [], strings = [], versions = [] }) => {
    return sum + (bools.length + ints.length + strings.length + versions.length || 1);
  }, 0);
}

export function validateCounters(counters: Readonly<Record<string, unknown>> | undefined, path: FieldPath, errors: FieldErrors): void {
  const names = Object.keys(counters ?? {});
  if (names.length === 0) errors.required(path);
  else if (names.length > maxCounters) errors.tooMany(path, names.length, maxCounters);
  else for (const name of names) validateShortName(name, path, errors);
}

function validateConsumption({ counterSet, counters }: DeviceCounterConsumption, path: FieldPath, errors: FieldErrors): void {
  validateRequiredShortName(counterSet, path.child('counterSet'), errors);
  validateCounters(counters, path.child('counters'), errors);
}

const oneOfNodes =
  'exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec';

function validateNodes(device: Device, perDevice: boolean, path: FieldPath, errors: FieldErrors): void {
  const { nodeName, nodeSelector, allNodes } = device;
  if (!perDevice) {
    if (nodeName !== undefined || nodeSelector || allNodes !== undefined)
      errors.invalid(
        path,
        undefined,
        '`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec',
      );
    return;
  }
  const set = [...(nodeName ? ['`nodeName`'] : []), ...(nodeSelector ? ['`nodeSelector`'] : []), ...(allNodes ? ['`allNodes`'] : [])];
  if (nodeName) reject(errors, path.child('nodeName'), nodeName, isDns1123Subdomain(nodeName));
  else if (nodeName === '') errors.invalid(path.child('nodeName'), nodeName, 'must not be empty');
  if (nodeSelector) validateNodeSelector(nodeSelector, path.child('nodeSelector'), errors);
  if (allNodes === false) errors.invalid(path.child('allNodes'), allNodes, 'must be either unset or set to true');
  if (set.length === 0) errors.required(path, oneOfNodes);
  else if (set.length > 1) errors.invalid(path, `{${set.join(', ')}}`, oneOfNodes);
}

export function validateDevice(device: Device, prev: Device | undefined, perDevice: boolean, path: FieldPath, errors: FieldErrors): void {
  const { attributes = {}, capacity = {} } = device;
  validateShortName(device.name, path.child('name'), errors);
  const count = Object.keys(attributes).length + Object.keys(capacity).length;
  if (count > maxAttributesAndCapacities)
    errors.invalid(path, count, `the total number of attributes and capacities must not exceed ${maxAttributesAndCapacities}`);
  const values = countValues(device);
  if (values > maxAttributeValues)
    errors.invalid(path, values, `the total number of attribute values must not exceed ${maxAttributeValues}`);
  for (const [name, attribute] of Object.entries(attributes)) {
    const at = path.child('attributes');
    validateQualifiedName(name, at, errors);
    validateAttribute(attribute, at.key(shownKey(name)), errors);
  }
  if (!prev || !semanticEqual(prev.capacity, device.capacity))
    for (const [name, entry] of Object.entries(capacity)) {
      const at = path.child('capacity');
      validateQualifiedName(name, at, errors);
      validateCapacity(entry, device.allowMultipleAllocations === true, at.key(shownKey(name)), errors);
    }
  if (!prev || !semanticEqual(prev.taints, device.taints))
    validateSlice(device.taints, maxTaints, (taint, at) => validateTaint(taint, undefined, at, errors), path.child('taints'), errors);
  validateSet(
    device.consumesCounters,
    maxCounterConsumptions,
    (consumption, at) => validateConsumption(consumption, at, errors),
    ({ counterSet }) => counterSet,
    path.child('consumesCounters'),
    errors,
  );
  validateNodes(device, perDevice, path, errors);
  validateBindingConditions(device, path, errors);
  validateMappings(device, path.child('nodeAllocatableResourceMappings'), errors);
}

/** Resources of the node that an allocated device takes up (KEP-5517). */
function validateMappings({ nodeAllocatableResourceMappings = {}, capacity = {} }: Device, path: FieldPath, errors: FieldErrors): void {
  for (const [name, { capacityKey, allocationMultiplier }] of Object.entries(nodeAllocatableResourceMappings)) {
    const at = path.key(name);
    if (capacityKey === undefined && allocationMultiplier === undefined)
      errors.required(at, 'at least one of capacityKey or allocationMultiplier must be set');
    if (capacityKey === '') errors.invalid(at.child('capacityKey'), '', 'capacityKey must not be an empty string');
    else if (capacityKey !== undefined && !Object.hasOwn(capacity, capacityKey)) errors.notFound(at.child('capacityKey'), capacityKey);
  }
}
