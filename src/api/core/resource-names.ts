/** What kinds of resources there are, by name (upstream: pkg/apis/core/helper, docs/design/resources.md). */
import type { FieldErrors, FieldPath } from '../fields.ts';
import { isQualifiedName } from '../names.ts';
import { compareQuantities, formatQuantity, quantityFormatMessage, quantityValue, tryParseQuantity } from '../quantity.ts';
import { notNegative, notPositive, reject } from './checks.ts';

const compute = ['cpu', 'memory', 'ephemeral-storage'];
/** Counted objects, which are whole numbers. */
const counted = [
  'pods',
  'resourcequotas',
  'services',
  'replicationcontrollers',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
];
const quotaResources = new Set([
  ...compute,
  ...compute.map((name) => `requests.${name}`),
  ...compute.map((name) => `limits.${name}`),
  ...counted,
  'requests.storage',
]);
const standardResources = new Set([...quotaResources, 'storage']);

export const isHugePages = (name: string) => name.startsWith('hugepages-');

/** Unprefixed names and those of the kubernetes.io domain. */
export const isNativeResource = (name: string) => !name.includes('/') || name.includes('kubernetes.io/');

/** A resource that somebody else defines, such as `example.com/gpu`. */
export function isExtendedResource(name: string): boolean {
  return !isNativeResource(name) && !name.startsWith('requests.') && isQualifiedName(`requests.${name}`).length === 0;
}

/** Whether requests may be less than limits. */
export const isOvercommitAllowed = (name: string) => isNativeResource(name) && !isHugePages(name);

export const isIntegerResource = (name: string) => counted.includes(name) || isExtendedResource(name);

/** A resource that a ResourceQuota knows by itself, beside `count/*` and extended resources. */
export const isStandardQuotaResource = (name: string) =>
  quotaResources.has(name) || isHugePages(name) || name.startsWith('requests.hugepages-');

/** Reports what is wrong with a resource's name; answers whether it was all right. */
export function validateResourceName(name: string, path: FieldPath, errors: FieldErrors): boolean {
  const wrong = isQualifiedName(name);
  reject(errors, path, name, wrong);
  if (wrong.length > 0) return false;
  if (!name.includes('/') && !standardResources.has(name) && !isHugePages(name) && !name.startsWith('requests.hugepages-')) {
    errors.invalid(path, name, 'must be a standard resource type or fully qualified');
    return false;
  }
  return true;
}

/** The name of a resource that a container may ask for. */
export function validateContainerResourceName(name: string, path: FieldPath, errors: FieldErrors): void {
  validateResourceName(name, path, errors);
  if (!name.includes('/')) {
    if (!compute.includes(name) && !isHugePages(name)) errors.invalid(path, name, 'must be a standard resource for containers');
  } else if (!isNativeResource(name) && !isExtendedResource(name)) {
    errors.invalid(path, name, "doesn't follow extended resource name standard");
  }
}

/** The name of a resource that a ResourceQuota may limit. */
export function validateQuotaResourceName(name: string, path: FieldPath, errors: FieldErrors): void {
  validateResourceName(name, path, errors);
  if (!name.includes('/') && !isStandardQuotaResource(name)) errors.invalid(path, name, 'must be a standard resource for quota');
}

/** A quantity that reads, is not negative, and is whole where the resource is counted. Answers whether it reads. */
export function validateResourceQuantity(name: string, value: string, path: FieldPath, errors: FieldErrors): boolean {
  const quantity = tryParseQuantity(value);
  if (!quantity) {
    errors.invalid(path, value, quantityFormatMessage);
    return false;
  }
  if (quantity.nano < 0n) errors.invalid(path, formatQuantity(quantity), notNegative);
  if (isIntegerResource(name) && quantity.nano % 1_000_000_000n !== 0n)
    errors.invalid(path, formatQuantity(quantity), 'must be an integer');
  return true;
}

/** A quantity that is not negative, in the words of volumes' capacities. */
export function requireNonNegativeValue(value: string, path: FieldPath, errors: FieldErrors): void {
  const quantity = tryParseQuantity(value);
  if (quantity && quantity.nano < 0n) errors.invalid(path, quantityValue(quantity), 'must be a valid resource quantity');
}

/** A quantity above zero. Answers whether it is. */
export function requirePositiveQuantity(value: string, path: FieldPath, errors: FieldErrors): boolean {
  const quantity = tryParseQuantity(value);
  if (!quantity) errors.invalid(path, value, quantityFormatMessage);
  else if (compareQuantities(quantity, 0) <= 0) errors.invalid(path, formatQuantity(quantity), notPositive);
  else return true;
  return false;
}
