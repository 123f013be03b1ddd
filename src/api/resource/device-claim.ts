/** What a claim asks for, of ResourceClaims and their templates. */
import type { FieldErrors, FieldPath } from '../fields.ts';
import type {
  DeviceClaim,
  DeviceConfiguration,
  DeviceConstraint,
  DeviceRequest,
  DeviceSubRequest,
  ExactDeviceRequest,
} from '../generated/resource.v1.ts';
import {
  same,
  validateClassName,
  validateDriverName,
  validateFullyQualifiedName,
  validateRaw,
  validateSet,
  validateShortName,
  validateSlice,
} from './checks.ts';
import { validateSelectors } from './device-selectors.ts';
import { validateToleration } from './device-taints.ts';

export const maxRequests = 32;
const maxConstraints = 32;
export const maxConfigs = 32;
const maxSubRequests = 8;
const maxParametersBytes = 10 * 1024;
const badReference = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
const modes = ['All', 'ExactCount'];

/** The requests of a claim that others refer to: `gpu`, and `gpu/large` among its alternatives. */
export function requestNamesOf(claim: DeviceClaim | undefined): ReadonlySet<string> {
  return new Set(
    (claim?.requests ?? []).flatMap(({ name, firstAvailable = [] }) => [name, ...firstAvailable.map((sub) => `${name}/${sub.name}`)]),
  );
}

export function validateRequestReference(name: string, names: ReadonlySet<string>, path: FieldPath, errors: FieldErrors): void {
  const parts = name.split('/');
  if (parts.length <= 2) for (const part of parts) validateShortName(part, path, errors);
  if (!names.has(name)) errors.invalid(path, name, badReference);
}

export function validateRequestReferences(
  list: readonly string[] | undefined,
  names: ReadonlySet<string>,
  path: FieldPath,
  errors: FieldErrors,
): void {
  validateSet(list, maxRequests, (name, at) => validateRequestReference(name, names, at, errors), same, path, errors);
}

export function validateConfiguration({ opaque }: DeviceConfiguration, stored: boolean, path: FieldPath, errors: FieldErrors): void {
  const at = path.child('opaque');
  if (!opaque) {
    errors.required(at);
    return;
  }
  validateDriverName(opaque.driver, at.child('driver'), errors);
  validateRaw(opaque.parameters, maxParametersBytes, stored, at.child('parameters'), errors);
}

function validateAmount(request: ExactDeviceRequest | DeviceSubRequest, path: FieldPath, errors: FieldErrors): void {
  const { allocationMode, count = 0, selectors, tolerations } = request;
  validateClassName(request.deviceClassName, path.child('deviceClassName'), errors);
  validateSelectors(selectors, false, path.child('selectors'), errors);
  if (allocationMode === 'All') {
    if (count !== 0) errors.invalid(path.child('count'), count, "must not be specified when allocationMode is 'All'");
  } else if (allocationMode === 'ExactCount') {
    if (count <= 0) errors.invalid(path.child('count'), count, 'must be greater than zero');
  } else errors.notSupported(path.child('allocationMode'), allocationMode ?? '', modes);
  for (const [i, toleration] of (tolerations ?? []).entries()) validateToleration(toleration, path.child('tolerations').index(i), errors);
}

function validateRequest({ name, exactly, firstAvailable = [] }: DeviceRequest, path: FieldPath, errors: FieldErrors): void {
  validateShortName(name, path.child('name'), errors);
  if (exactly && firstAvailable.length > 0)
    errors.invalid(path, undefined, 'exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set');
  else if (exactly) validateAmount(exactly, path.child('exactly'), errors);
  else if (firstAvailable.length > 0)
    validateSet(
      firstAvailable,
      maxSubRequests,
      (sub, at) => {
        validateShortName(sub.name, at.child('name'), errors);
        validateAmount(sub, at, errors);
      },
      (sub) => sub.name,
      path.child('firstAvailable'),
      errors,
    );
  else errors.required(path, 'exactly one of `exactly` or `firstAvailable` is required');
}

function validateConstraint(constraint: DeviceConstraint, names: ReadonlySet<string>, path: FieldPath, errors: FieldErrors): void {
  const { requests, matchAttribute, distinctAttribute } = constraint;
  validateRequestReferences(requests, names, path.child('requests'), errors);
  if (matchAttribute !== undefined) validateFullyQualifiedName(matchAttribute, path.child('matchAttribute'), errors);
  else if (distinctAttribute !== undefined) validateFullyQualifiedName(distinctAttribute, path.child('distinctAttribute'), errors);
  else errors.required(path, 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set');
}

export function validateDeviceClaim(claim: DeviceClaim, path: FieldPath, errors: FieldErrors): void {
  const names = requestNamesOf(claim);
  const { requests, constraints, config } = claim;
  validateSet(
    requests,
    maxRequests,
    (r, at) => validateRequest(r, at, errors),
    (r) => r.name,
    path.child('requests'),
    errors,
  );
  validateSlice(constraints, maxConstraints, (c, at) => validateConstraint(c, names, at, errors), path.child('constraints'), errors);
  validateSlice(
    config,
    maxConfigs,
    (c, at) => {
      validateRequestReferences(c.requests, names, at.child('requests'), errors);
      validateConfiguration(c, false, at, errors);
    },
    path.child('config'),
    errors,
  );
}

function defaultAmount(request: ExactDeviceRequest | DeviceSubRequest): void {
  request.allocationMode ??= 'ExactCount';
  if (request.allocationMode === 'ExactCount' && !request.count) request.count = 1;
}

export function defaultDeviceClaim(claim: DeviceClaim | undefined): void {
  for (const { exactly, firstAvailable } of claim?.requests ?? []) {
    if (exactly) defaultAmount(exactly);
    for (const sub of firstAvailable ?? []) defaultAmount(sub);
  }
}
