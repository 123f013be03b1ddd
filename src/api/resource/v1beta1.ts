/** How resource.k8s.io/v1beta1 differs: an exact request and a device's facts lay one level elsewhere. */
import type { Device, DeviceClaim, DeviceRequest, ResourceClaimSpec, ResourceSliceSpec } from '../generated/resource.v1.ts';
import type * as v1beta1 from '../generated/resource.v1beta1.ts';

function toRequest({ name, firstAvailable, ...exactly }: v1beta1.DeviceRequest): DeviceRequest {
  const { deviceClassName = '', ...others } = exactly;
  const isExact = deviceClassName !== '' || Object.values(others).some((value) => value !== undefined);
  return {
    name,
    ...(isExact ? { exactly: { deviceClassName, ...others } } : {}),
    ...(firstAvailable ? { firstAvailable } : {}),
  };
}

function fromRequest({ name, exactly, firstAvailable }: DeviceRequest): v1beta1.DeviceRequest {
  return { name, ...exactly, ...(firstAvailable ? { firstAvailable } : {}) };
}

function toDevices(claim: v1beta1.DeviceClaim): DeviceClaim {
  return { ...claim, ...(claim.requests ? { requests: claim.requests.map(toRequest) } : {}) };
}

function fromDevices(claim: DeviceClaim): v1beta1.DeviceClaim {
  return { ...claim, ...(claim.requests ? { requests: claim.requests.map(fromRequest) } : {}) };
}

export function toClaimSpec(spec: v1beta1.ResourceClaimSpec): ResourceClaimSpec {
  return { ...spec, ...(spec.devices ? { devices: toDevices(spec.devices) } : {}) };
}

export function fromClaimSpec(spec: ResourceClaimSpec): v1beta1.ResourceClaimSpec {
  return { ...spec, ...(spec.devices ? { devices: fromDevices(spec.devices) } : {}) };
}

export function defaultV1beta1Claim(claim: v1beta1.DeviceClaim | undefined): void {
  for (const request of claim?.requests ?? []) {
    // With alternatives the request itself asks for nothing.
    if (!request.deviceClassName) continue;
    request.allocationMode ??= 'ExactCount';
    if (request.allocationMode === 'ExactCount' && !request.count) request.count = 1;
  }
}

function fromDevice({ name, ...basic }: Device): v1beta1.Device {
  return { name, ...(Object.values(basic).some((value) => value !== undefined) ? { basic } : {}) };
}

export function toSliceSpec(spec: v1beta1.ResourceSliceSpec): ResourceSliceSpec {
  return { ...spec, ...(spec.devices ? { devices: spec.devices.map(({ name, basic }) => ({ name, ...basic })) } : {}) };
}

export function fromSliceSpec(spec: ResourceSliceSpec): v1beta1.ResourceSliceSpec {
  return { ...spec, ...(spec.devices ? { devices: spec.devices.map(fromDevice) } : {}) };
}
