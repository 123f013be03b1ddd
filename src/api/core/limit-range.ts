import { type FieldErrors, FieldPath } from '../fields.ts';
import { LimitRange, type LimitRangeItem } from '../generated/core.v1.ts';
import { defineKind } from '../kind.ts';
import { isQualifiedName } from '../names.ts';
import { canonicalQuantity, compareQuantities, quantityToNumber, tryParseQuantity } from '../quantity.ts';
import { reject } from './checks.ts';
import { isOvercommitAllowed, validateContainerResourceName, validateResourceName } from './resource-names.ts';

const limitTypes = ['Pod', 'Container', 'PersistentVolumeClaim'];
const lists = ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const;

function validateType(type: string, path: FieldPath, errors: FieldErrors): void {
  const wrong = isQualifiedName(type);
  reject(errors, path, type, wrong);
  if (wrong.length === 0 && !type.includes('/') && !limitTypes.includes(type))
    errors.invalid(path, type, 'must be a standard limit type or fully qualified');
}

/** Minimum, default request, default limit and maximum of a resource, in this order. */
function validateOrder(name: string, item: LimitRangeItem, path: FieldPath, errors: FieldErrors): void {
  const read = (list: (typeof lists)[number]) => {
    const text = item[list]?.[name];
    return text !== undefined && tryParseQuantity(text) ? canonicalQuantity(text) : undefined;
  };
  const min = read('min');
  const max = read('max');
  const limit = read('default');
  const request = read('defaultRequest');
  const ratio = read('maxLimitRequestRatio');
  const exceeds = (a: string | undefined, b: string | undefined) => a !== undefined && b !== undefined && compareQuantities(a, b) > 0;
  const at = (list: (typeof lists)[number]) => path.child(list).key(name);
  if (exceeds(min, max)) errors.invalid(at('min'), min, `min value ${min} is greater than max value ${max}`);
  if (exceeds(min, request))
    errors.invalid(at('defaultRequest'), request, `min value ${min} is greater than default request value ${request}`);
  if (exceeds(request, max))
    errors.invalid(at('defaultRequest'), request, `default request value ${request} is greater than max value ${max}`);
  if (exceeds(request, limit))
    errors.invalid(at('defaultRequest'), request, `default request value ${request} is greater than default limit value ${limit}`);
  if (exceeds(min, limit)) errors.invalid(at('default'), min, `min value ${min} is greater than default value ${limit}`);
  if (exceeds(limit, max)) errors.invalid(at('default'), max, `default value ${limit} is greater than max value ${max}`);
  if (ratio !== undefined) {
    if (compareQuantities(ratio, 1) < 0) errors.invalid(at('maxLimitRequestRatio'), ratio, `ratio ${ratio} is less than 1`);
    const widest = min === undefined || max === undefined ? Number.POSITIVE_INFINITY : quantityToNumber(max) / quantityToNumber(min);
    if (quantityToNumber(ratio) > widest)
      errors.invalid(at('maxLimitRequestRatio'), ratio, `ratio ${ratio} is greater than max/min = ${widest.toFixed(6)}`);
  }
  if (!isOvercommitAllowed(name) && limit !== undefined && request !== undefined && compareQuantities(limit, request) !== 0)
    errors.invalid(at('defaultRequest'), request, `default value ${limit} must equal to defaultRequest value ${request} in ${name}`);
}

function validateItem(item: LimitRangeItem, path: FieldPath, errors: FieldErrors): void {
  const names = new Set<string>();
  const isOfContainers = item.type === 'Pod' || item.type === 'Container';
  for (const list of lists) {
    const given = Object.keys(item[list] ?? {});
    if (item.type === 'Pod' && (list === 'default' || list === 'defaultRequest')) {
      if (given.length > 0) errors.forbidden(path.child(list), "may not be specified when `type` is 'Pod'");
      continue;
    }
    for (const name of given) {
      (isOfContainers ? validateContainerResourceName : validateResourceName)(name, path.child(list).key(name), errors);
      names.add(name);
    }
  }
  if (item.type === 'PersistentVolumeClaim' && item.min?.storage === undefined && item.max?.storage === undefined)
    errors.required(path.child('limits'), 'either minimum or maximum storage value is required, but neither was provided');
  // What a pod's may not say is not held against the rest.
  const { default: _, defaultRequest: __, ...rest } = item;
  for (const name of names) validateOrder(name, item.type === 'Pod' ? rest : item, path, errors);
}

/** Fills `into` with what `from` says of resources that it does not name. */
function fill(into: Record<string, string>, from: Readonly<Record<string, string>> | undefined): Record<string, string> {
  return { ...from, ...into };
}

export const limitRange = defineKind<LimitRange>({
  resource: LimitRange,
  shortNames: ['limits'],
  storagePrefix: 'limitranges',
  allowCreateOnUpdate: true,
  defaults(range) {
    range.spec ??= { limits: [] };
    for (const item of range.spec.limits ?? []) {
      if (item.type !== 'Container') continue;
      // The default limit is the maximum; the default request is the default limit, or else the minimum.
      item.default = fill(item.default ?? {}, item.max);
      item.defaultRequest = fill(fill(item.defaultRequest ?? {}, item.default), item.min);
      for (const list of ['default', 'defaultRequest'] as const) if (Object.keys(item[list] ?? {}).length === 0) delete item[list];
    }
  },
  // Upstream gives it a name that nothing else has.
  create({ metadata }) {
    metadata.name ||= metadata.uid ?? '';
  },
  validate({ spec }, errors) {
    const seen = new Set<string>();
    for (const [i, item] of (spec.limits ?? []).entries()) {
      const path = new FieldPath('spec').child('limits').index(i);
      validateType(item.type, path.child('type'), errors);
      if (seen.has(item.type)) errors.duplicate(path.child('type'), item.type);
      seen.add(item.type);
      validateItem(item, path, errors);
    }
  },
});
