/** Where a pod may run: affinity, tolerations, topology spread, gates. */
import { type FieldErrors, type FieldPath, goQuote } from '../fields.ts';
import type {
  Affinity,
  NodeSelector,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodAffinityTerm,
  PodSchedulingGate,
  Toleration,
  TopologySpreadConstraint,
} from '../generated/core.v1.ts';
import type { LabelSelector } from '../generated/meta.v1.ts';
import { isDns1123Label, isDns1123Subdomain, isLabelValue } from '../names.ts';
import { validateLabelName, validateLabelSelector } from '../object-meta.ts';
import { allowOneOf, notPositive, reject, rejectNew, requireQualifiedName } from './checks.ts';

function validateNodeRequirement(requirement: NodeSelectorRequirement, checkValues: boolean, path: FieldPath, errors: FieldErrors): void {
  const { key = '', operator, values = [] } = requirement;
  const at = path.child('values');
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0) errors.required(at, "must be specified when `operator` is 'In' or 'NotIn'");
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length > 0) errors.forbidden(at, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
  } else if (operator === 'Gt' || operator === 'Lt') {
    if (values.length !== 1) errors.required(at, "must be specified single value when `operator` is 'Lt' or 'Gt'");
  } else errors.invalid(path.child('operator'), operator ?? '', 'not a valid selector operator');
  validateLabelName(key, path.child('key'), errors);
  if (checkValues) for (const [i, value] of values.entries()) rejectNew(errors, at.index(i), value, isLabelValue(value));
}

function validateNodeFieldRequirement(requirement: NodeSelectorRequirement, path: FieldPath, errors: FieldErrors): void {
  const { key = '', operator, values = [] } = requirement;
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length !== 1)
      errors.required(path.child('values'), "must be only one value when `operator` is 'In' or 'NotIn' for node field selector");
  } else errors.invalid(path.child('operator'), operator ?? '', 'not a valid selector operator');
  if (key !== 'metadata.name') errors.invalid(path.child('key'), key, 'not a valid field selector key');
  else for (const [i, value] of values.entries()) reject(errors, path.child('values').index(i), value, isDns1123Subdomain(value));
}

function validateNodeSelectorTerm(term: NodeSelectorTerm, checkValues: boolean, path: FieldPath, errors: FieldErrors): void {
  for (const [i, requirement] of (term.matchExpressions ?? []).entries())
    validateNodeRequirement(requirement, checkValues, path.child('matchExpressions').index(i), errors);
  for (const [i, requirement] of (term.matchFields ?? []).entries())
    validateNodeFieldRequirement(requirement, path.child('matchFields').index(i), errors);
}

/** A required node selector: at least one term, each well formed. */
export function validateNodeSelector(selector: NodeSelector, path: FieldPath, errors: FieldErrors): void {
  const terms = selector.nodeSelectorTerms ?? [];
  const at = path.child('nodeSelectorTerms');
  if (terms.length === 0) errors.required(at, 'must have at least one node selector term');
  for (const [i, term] of terms.entries()) validateNodeSelectorTerm(term, true, at.index(i), errors);
}

function validateWeight(weight: number | undefined, path: FieldPath, errors: FieldErrors): void {
  if (!weight || weight < 1 || weight > 100) errors.invalid(path, weight ?? 0, 'must be in the range 1-100');
}

/** One occurrence is what the server itself merged in from matchLabelKeys on create; a second one is the user's. */
function validateKeysOnce(keys: readonly string[], selector: LabelSelector | undefined, path: FieldPath, errors: FieldErrors): void {
  const seen = new Set(Object.keys(selector?.matchLabels ?? {}));
  for (const { key } of selector?.matchExpressions ?? []) {
    const i = keys.indexOf(key);
    if (i >= 0 && seen.has(key)) errors.invalid(path.index(i), key, 'exists in both matchLabelKeys and labelSelector');
    seen.add(key);
  }
}

function validateLabelKeys(keys: readonly string[], selector: LabelSelector | undefined, path: FieldPath, errors: FieldErrors): void {
  if (keys.length === 0) return;
  if (!selector) {
    errors.forbidden(path, 'must not be specified when labelSelector is not set');
    return;
  }
  for (const [i, key] of keys.entries()) validateLabelName(key, path.index(i), errors);
}

function validatePodAffinityTerm(term: PodAffinityTerm, path: FieldPath, errors: FieldErrors): void {
  const { labelSelector, matchLabelKeys = [], mismatchLabelKeys = [], topologyKey = '' } = term;
  validateLabelSelector(labelSelector, path.child('labelSelector'), errors);
  validateLabelSelector(term.namespaceSelector, path.child('namespaceSelector'), errors);
  for (const name of term.namespaces ?? []) reject(errors, path.child('namespace'), name, isDns1123Label(name));
  validateLabelKeys(matchLabelKeys, labelSelector, path.child('matchLabelKeys'), errors);
  validateLabelKeys(mismatchLabelKeys, labelSelector, path.child('mismatchLabelKeys'), errors);
  validateKeysOnce(matchLabelKeys, labelSelector, path, errors);
  for (const [i, key] of matchLabelKeys.entries())
    if (mismatchLabelKeys.includes(key))
      errors.invalid(path.child('matchLabelKeys').index(i), key, 'exists in both matchLabelKeys and mismatchLabelKeys');
  if (!topologyKey) errors.required(path.child('topologyKey'), 'can not be empty');
  validateLabelName(topologyKey, path.child('topologyKey'), errors);
}

export function validateAffinity(affinity: Affinity, path: FieldPath, errors: FieldErrors): void {
  const required = 'requiredDuringSchedulingIgnoredDuringExecution';
  const preferred = 'preferredDuringSchedulingIgnoredDuringExecution';
  const { nodeAffinity } = affinity;
  if (nodeAffinity) {
    const at = path.child('nodeAffinity');
    if (nodeAffinity[required]) validateNodeSelector(nodeAffinity[required], at.child(required), errors);
    for (const [i, term] of (nodeAffinity[preferred] ?? []).entries()) {
      validateWeight(term.weight, at.child(preferred).index(i).child('weight'), errors);
      // A preference for what no node can have is harmless, so label values are not checked.
      validateNodeSelectorTerm(term.preference ?? {}, false, at.child(preferred).index(i).child('preference'), errors);
    }
  }
  for (const kind of ['podAffinity', 'podAntiAffinity'] as const) {
    const at = path.child(kind);
    for (const [i, term] of (affinity[kind]?.[required] ?? []).entries())
      validatePodAffinityTerm(term, at.child(required).index(i), errors);
    for (const [i, term] of (affinity[kind]?.[preferred] ?? []).entries()) {
      validateWeight(term.weight, at.child(preferred).index(i).child('weight'), errors);
      validatePodAffinityTerm(term.podAffinityTerm ?? { topologyKey: '' }, at.child(preferred).index(i).child('podAffinityTerm'), errors);
    }
  }
}

export const taintEffects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

const int64 = 2n ** 63n;
/** Digits and a sign, with some zeros in front. */
const maxDecimalInteger = 64;

/** A number in the one way to write it, which 64 bits can hold. */
function isDecimalInteger(value: string): string[] {
  const messages =
    value === '' ? ['must be non-empty'] : /^(0|-?[1-9]\d*)$/.test(value) ? [] : ['must be a valid decimal integer in canonical form'];
  const parsing = `strconv.ParseInt: parsing ${goQuote(value)}`;
  if (!/^[-+]?\d+$/.test(value)) return [...messages, `${parsing}: invalid syntax`];
  const isLong = value.length > maxDecimalInteger;
  const number = isLong ? int64 : BigInt(value.replace('+', ''));
  return number >= int64 || number < -int64 ? [...messages, `${parsing}: value out of range`] : messages;
}

export function validateTolerations(tolerations: readonly Toleration[], path: FieldPath, errors: FieldErrors): void {
  for (const [i, { key = '', operator, value = '', effect, tolerationSeconds }] of tolerations.entries()) {
    const at = path.index(i);
    if (key) validateLabelName(key, at.child('key'), errors);
    else if (operator !== 'Exists')
      errors.invalid(
        at.child('operator'),
        operator ?? '',
        'operator must be Exists when `key` is empty, which means "match all values and all keys"',
      );
    if (tolerationSeconds !== undefined && effect !== 'NoExecute')
      errors.invalid(at.child('effect'), effect ?? '', "effect must be 'NoExecute' when `tolerationSeconds` is set");
    switch (operator || 'Equal') {
      case 'Equal': {
        const wrong = isLabelValue(value);
        if (wrong.length > 0) errors.invalid(at.child('operator'), value, wrong.join(';'));
        break;
      }
      case 'Exists':
        if (value) errors.invalid(at.child('operator'), value, "value must be empty when `operator` is 'Exists'");
        break;
      case 'Lt':
      case 'Gt':
        if (errors.isEnabled('TaintTolerationComparisonOperators', false))
          reject(errors, at.child('value'), value, isDecimalInteger(value));
        else
          errors.ratcheting(
            () => errors.notSupported(at.child('operator'), operator, ['Equal', 'Exists', 'Lt', 'Gt']),
            'comparing tolerations',
          );
        break;
      default:
        errors.notSupported(at.child('operator'), operator, ['Equal', 'Exists']);
    }
    if (effect) allowOneOf(errors, at.child('effect'), effect, taintEffects);
  }
}

export function validateTopologySpread(constraints: readonly TopologySpreadConstraint[], path: FieldPath, errors: FieldErrors): void {
  for (const [i, constraint] of constraints.entries()) {
    const at = path.index(i);
    const { labelSelector, matchLabelKeys = [], maxSkew, minDomains, topologyKey, whenUnsatisfiable } = constraint;
    if (!maxSkew || maxSkew < 1) errors.invalid(at.child('maxSkew'), maxSkew ?? 0, notPositive);
    if (!topologyKey) errors.required(at.child('topologyKey'), 'can not be empty');
    allowOneOf(errors, at.child('whenUnsatisfiable'), whenUnsatisfiable ?? '', ['DoNotSchedule', 'ScheduleAnyway']);
    const isRepeated = constraints
      .slice(i + 1)
      .some((other) => other.topologyKey === topologyKey && other.whenUnsatisfiable === whenUnsatisfiable);
    if (isRepeated) errors.duplicate(at.child('{topologyKey, whenUnsatisfiable}'), `{${topologyKey}, ${whenUnsatisfiable}}`);
    if (minDomains !== undefined) {
      if (minDomains <= 0) errors.invalid(at.child('minDomains'), minDomains, notPositive);
      if (whenUnsatisfiable !== 'DoNotSchedule')
        errors.invalid(
          at.child('minDomains'),
          minDomains,
          `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable}`,
        );
    }
    allowOneOf(errors, at.child('nodeAffinityPolicy'), constraint.nodeAffinityPolicy, ['Honor', 'Ignore']);
    allowOneOf(errors, at.child('nodeTaintsPolicy'), constraint.nodeTaintsPolicy, ['Honor', 'Ignore']);
    const keysPath = at.child('matchLabelKeys');
    validateLabelKeys(matchLabelKeys, labelSelector, keysPath, errors);
    validateKeysOnce(matchLabelKeys, labelSelector, at, errors);
    validateLabelSelector(labelSelector, at.child('labelSelector'), errors);
  }
}

export function validateSchedulingGates(gates: readonly PodSchedulingGate[], path: FieldPath, errors: FieldErrors): void {
  const seen = new Set<string>();
  for (const [i, { name }] of gates.entries()) {
    requireQualifiedName(errors, path.index(i), name);
    if (seen.has(name)) errors.duplicate(path.index(i), name);
    seen.add(name);
  }
}
