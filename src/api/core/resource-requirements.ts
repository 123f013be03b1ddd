import type { FieldErrors, FieldPath } from '../fields.ts';
import type { PodSpec, ResourceClaim, ResourceRequirements } from '../generated/core.v1.ts';
import { canonicalQuantity, compareQuantities, tryParseQuantity } from '../quantity.ts';
import { requireDnsLabel } from './checks.ts';
import { aggregateContainerLimits, aggregateContainerRequests } from './pod-resources.ts';
import {
  isHugePages,
  isOvercommitAllowed,
  validateContainerResourceName,
  validateResourceName,
  validateResourceQuantity,
} from './resource-names.ts';

type NameRule = (name: string, path: FieldPath, errors: FieldErrors) => void;

function validateHugePageSize(name: string, value: string, path: FieldPath, errors: FieldErrors): void {
  const size = tryParseQuantity(name.slice('hugepages-'.length));
  const quantity = tryParseQuantity(value);
  if (!size || !quantity || size.nano <= 0n || quantity.nano % size.nano !== 0n) {
    const text = canonicalQuantity(value);
    errors.ratcheting(() => errors.invalid(path, text, `${text} is not positive integer multiple of ${name}`), 'whole huge pages');
  }
}

function validateClaims(claims: readonly ResourceClaim[], claimNames: ReadonlySet<string>, path: FieldPath, errors: FieldErrors): void {
  const seen = new Set<string>();
  for (const [i, { name, request }] of claims.entries()) {
    const at = path.index(i);
    if (!name) {
      errors.required(at);
      continue;
    }
    const key = request ? `${name}/${request}` : name;
    if (seen.has(name)) errors.duplicate(at, name);
    else {
      if (request) requireDnsLabel(errors, at.child('request'), request);
      if (seen.has(key)) errors.duplicate(at, key);
      else if (!request && [...seen].some((other) => other.startsWith(`${name}/`))) errors.duplicate(at, name);
      seen.add(key);
    }
    if (!claimNames.has(name)) {
      const known = claimNames.size === 0 ? ' which is empty' : `: ${[...claimNames].sort().join(', ')}`;
      errors.notFound(at, name, `must be one of the names in pod.spec.resourceClaims${known}`);
    }
  }
}

/** A request is no more than its limit; of what can't be shared it is the same. */
function validateAgainstLimit(
  { name, value, limit }: { name: string; value: string; limit: string | undefined },
  { requestsPath, limitsPath }: { requestsPath: FieldPath; limitsPath: FieldPath },
  errors: FieldErrors,
): void {
  const isShared = isOvercommitAllowed(name);
  if (limit === undefined) {
    if (!isShared) errors.required(limitsPath, 'Limit must be set for non overcommitable resources');
    return;
  }
  if (!tryParseQuantity(limit)) return;
  const order = compareQuantities(value, limit);
  const asText = canonicalQuantity(value);
  if (order !== 0 && !isShared) errors.invalid(requestsPath, asText, `must be equal to ${name} limit of ${canonicalQuantity(limit)}`);
  else if (order > 0) errors.invalid(requestsPath, asText, `must be less than or equal to ${name} limit of ${canonicalQuantity(limit)}`);
}

function validateRequirements(
  { limits = {}, requests = {}, claims = [] }: ResourceRequirements,
  nameRule: NameRule,
  claimNames: ReadonlySet<string>,
  path: FieldPath,
  errors: FieldErrors,
): void {
  const limitsPath = path.child('limits');
  const requestsPath = path.child('requests');
  const check = (name: string, value: string, at: FieldPath): boolean => {
    nameRule(name, at, errors);
    return validateResourceQuantity(name, value, at, errors);
  };
  for (const [name, value] of Object.entries(limits)) {
    check(name, value, limitsPath.key(name));
    if (isHugePages(name)) validateHugePageSize(name, value, limitsPath.key(name), errors);
  }
  for (const [name, value] of Object.entries(requests)) {
    const reads = check(name, value, requestsPath.key(name));
    if (reads) validateAgainstLimit({ name, value, limit: limits[name] }, { requestsPath, limitsPath }, errors);
    if (isHugePages(name)) validateHugePageSize(name, value, requestsPath.key(name), errors);
  }
  const names = [...Object.keys(limits), ...Object.keys(requests)];
  if (names.some(isHugePages) && !names.includes('cpu') && !names.includes('memory'))
    errors.forbidden(path, 'HugePages require cpu or memory');
  validateClaims(claims, claimNames, path.child('claims'), errors);
}

/** Requests and limits of a container. `claimNames` are the names in the pod's `resourceClaims`. */
export function validateContainerResources(
  requirements: ResourceRequirements,
  claimNames: ReadonlySet<string>,
  path: FieldPath,
  errors: FieldErrors,
): void {
  validateRequirements(requirements, validateContainerResourceName, claimNames, path, errors);
}

/** What a pod as a whole may ask for (KEP-2837). */
export const isPodLevelResource = (name: string) => name === 'cpu' || name === 'memory' || isHugePages(name);

/** Requests and limits of the pod as a whole: no less than its containers' together, limits no less than any container's. */
export function validatePodLevelResources(spec: PodSpec, claimNames: ReadonlySet<string>, path: FieldPath, errors: FieldErrors): void {
  const { resources } = spec;
  if (!resources) return;
  if (spec.os?.name === 'windows') {
    errors.forbidden(path, 'may not be set for a windows pod');
    return;
  }
  if (resources.claims) errors.forbidden(path.child('claims'), 'claims may not be set for Resources at pod-level');
  const nameRule: NameRule = (name, at) => {
    if (validateResourceName(name, at, errors) && !isPodLevelResource(name)) errors.notSupported(at, name, ['cpu', 'hugepages-', 'memory']);
  };
  validateRequirements(resources, nameRule, claimNames, path, errors);
  for (const [name, total] of Object.entries(aggregateContainerRequests(spec))) {
    const own = resources.requests?.[name];
    if (own === undefined || !tryParseQuantity(own) || compareQuantities(total, own) <= 0) continue;
    const detail = `must be greater than or equal to aggregate container requests of ${total}`;
    errors.invalid(path.child('requests').key(name), canonicalQuantity(own), detail);
  }
  for (const [name, total] of Object.entries(aggregateContainerLimits(spec))) {
    const own = resources.limits?.[name];
    if (!isHugePages(name) || own === undefined || !tryParseQuantity(own) || compareQuantities(total, own) <= 0) continue;
    const detail = `must be greater than or equal to aggregate container limits of ${total}`;
    errors.invalid(path.child('limits').key(name), canonicalQuantity(own), detail);
  }
  for (const [i, container] of (spec.containers ?? []).entries()) {
    for (const [name, limit] of Object.entries(container.resources?.limits ?? {})) {
      const own = resources.limits?.[name];
      if (own === undefined || !tryParseQuantity(own) || !tryParseQuantity(limit) || compareQuantities(limit, own) <= 0) continue;
      const at = path.child('containers').index(i).key(name).child('limits');
      errors.invalid(at, canonicalQuantity(limit), `must be less than or equal to pod limits of ${canonicalQuantity(own)}`);
    }
  }
}
