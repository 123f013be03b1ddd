/** What the scheduler and drivers write into a claim. */
import { validateNodeSelector } from '../core/scheduling-rules.ts';
import { semanticEqual } from '../equality.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import type {
  AllocatedDeviceStatus,
  AllocationResult,
  DeviceRequestAllocationResult,
  ResourceClaim,
  ResourceClaimStatus,
} from '../generated/resource.v1.ts';
import { formatCidr, parseLooseCidr } from '../ip.ts';
import { byteLength } from '../names.ts';
import { validateConditions, validateImmutable } from '../object-meta.ts';
import { validateBindingConditions } from './binding-conditions.ts';
import {
  same,
  validateDriverName,
  validatePoolName,
  validateRaw,
  validateSet,
  validateShortName,
  validateSlice,
  validateUid,
} from './checks.ts';
import {
  maxConfigs,
  maxRequests,
  requestNamesOf,
  validateConfiguration,
  validateRequestReference,
  validateRequestReferences,
} from './device-claim.ts';

const statusPath = new FieldPath('status');
const maxReservedFor = 256;
const maxDeviceConditions = 8;
const maxDataBytes = 10 * 1024;
const maxInterfaceNameBytes = 256;
const maxHardwareAddressBytes = 128;
const maxIps = 16;
const sources = ['FromClaim', 'FromClass'];

interface DeviceId {
  driver: string;
  pool: string;
  device: string;
  shareID?: string;
}
const shownId = ({ driver, pool, device, shareID = '' }: DeviceId) => ({ Driver: driver, Pool: pool, Device: device, ShareID: shareID });
const idOf = ({ driver, pool, device, shareID }: DeviceId) => [driver, pool, device, ...(shareID === undefined ? [] : [shareID])].join('/');

function validateResult(result: DeviceRequestAllocationResult, names: ReadonlySet<string>, path: FieldPath, errors: FieldErrors): void {
  validateRequestReference(result.request, names, path.child('request'), errors);
  validateDriverName(result.driver, path.child('driver'), errors);
  validatePoolName(result.pool, path.child('pool'), errors);
  validateShortName(result.device, path.child('device'), errors);
  validateBindingConditions(result, path, errors);
  if (result.shareID !== undefined) validateUid(result.shareID, path.child('shareID'), errors);
}

function validateAllocation({ devices, nodeSelector }: AllocationResult, names: ReadonlySet<string>, errors: FieldErrors): void {
  const path = statusPath.child('allocation');
  const at = path.child('devices');
  validateSlice(devices?.results, maxRequests, (r, p) => validateResult(r, names, p, errors), at.child('results'), errors);
  validateSlice(
    devices?.config,
    2 * maxConfigs,
    (config, p) => {
      if (!config.source) errors.required(p.child('source'));
      else if (!sources.includes(config.source)) errors.notSupported(p.child('source'), config.source, sources);
      validateRequestReferences(config.requests, names, p.child('requests'), errors);
      validateConfiguration(config, false, p, errors);
    },
    at.child('config'),
    errors,
  );
  if (nodeSelector) validateNodeSelector(nodeSelector, path.child('nodeSelector'), errors);
}

function validateInterfaceAddress(text: string, path: FieldPath, errors: FieldErrors): void {
  const cidr = parseLooseCidr(text)?.cidr;
  if (!cidr) errors.invalid(path, text, 'must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)');
  else if (formatCidr(cidr) !== text) errors.invalid(path, text, `must be in canonical form (${JSON.stringify(formatCidr(cidr))})`);
}

function validateDevice(device: AllocatedDeviceStatus, allocated: ReadonlySet<string>, path: FieldPath, errors: FieldErrors): void {
  validateDriverName(device.driver, path.child('driver'), errors);
  validatePoolName(device.pool, path.child('pool'), errors);
  validateShortName(device.device, path.child('device'), errors);
  if (device.shareID !== undefined) validateUid(device.shareID, path.child('shareID'), errors);
  if (!allocated.has(idOf(device))) errors.invalid(path, shownId(device), 'must be an allocated device in the claim');
  const conditions = device.conditions ?? [];
  if (conditions.length > maxDeviceConditions) errors.tooMany(path.child('conditions'), conditions.length, maxDeviceConditions);
  validateConditions(conditions, path.child('conditions'), errors);
  if (device.data !== undefined && device.data !== null) validateRaw(device.data, maxDataBytes, false, path.child('data'), errors);
  if (!device.networkData) return;
  const { interfaceName = '', hardwareAddress = '', ips } = device.networkData;
  const at = path.child('networkData');
  if (byteLength(interfaceName) > maxInterfaceNameBytes) errors.tooLong(at.child('interfaceName'), maxInterfaceNameBytes);
  if (byteLength(hardwareAddress) > maxHardwareAddressBytes) errors.tooLong(at.child('hardwareAddress'), maxHardwareAddressBytes);
  validateSet(ips, maxIps, (ip, p) => validateInterfaceAddress(ip, p, errors), same, at.child('ips'), errors);
}

function validateReservations(status: ResourceClaimStatus, next: ResourceClaim, prev: ResourceClaim, errors: FieldErrors): void {
  const path = statusPath.child('reservedFor');
  const { reservedFor = [], allocation } = status;
  validateSet(
    reservedFor,
    maxReservedFor,
    (ref, at) => {
      for (const field of ['resource', 'name', 'uid'] as const) if (!ref[field]) errors.required(at.child(field));
    },
    ({ uid }) => uid,
    path,
    errors,
  );
  if (reservedFor.length === 0) return;
  if (!allocation) errors.forbidden(path, 'may not be specified when `allocated` is not set');
  else if (next.metadata.deletionTimestamp) {
    const before = prev.status?.reservedFor ?? [];
    if (reservedFor.some((ref) => !before.some((known) => semanticEqual(known, ref))))
      errors.forbidden(path, 'new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set');
  }
}

const allocatedIn = ({ status }: ResourceClaim) => new Set((status?.allocation?.devices?.results ?? []).map(idOf));

/** With a device that is allocated no more goes what was said of its state. */
export function dropDeallocated(next: ResourceClaim, prev: ResourceClaim): void {
  const { status } = next;
  if (!status?.devices) return;
  const now = allocatedIn(next);
  const gone = new Set([...allocatedIn(prev)].filter((id) => !now.has(id)));
  if (gone.size > 0) status.devices = status.devices.filter((device) => !gone.has(idOf(device)));
  if (status.devices.length === 0) delete status.devices;
}

export function validateClaimStatus(next: ResourceClaim, prev: ResourceClaim, errors: FieldErrors): void {
  const status = next.status ?? {};
  validateReservations(status, next, prev, errors);
  const allocated = allocatedIn(next);
  validateSet(
    status.devices,
    Number.POSITIVE_INFINITY,
    (device, at) => validateDevice(device, allocated, at, errors),
    idOf,
    statusPath.child('devices'),
    errors,
    shownId,
  );
  if (status.allocation && prev.status?.allocation)
    validateImmutable(status.allocation, prev.status.allocation, statusPath.child('allocation'), errors, 'resource.v1.AllocationResult');
  else if (status.allocation) validateAllocation(status.allocation, requestNamesOf(next.spec.devices), errors);
}
