import { requireCounts } from '../apps/template-rules.ts';
import { allowOneOf } from '../core/checks.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import type { LabelSelector } from '../generated/meta.v1.ts';
import { PodDisruptionBudget } from '../generated/policy.v1.ts';
import * as v1beta1 from '../generated/policy.v1beta1.ts';
import { requireAtMost100Percent, requireNonNegativeIntOrPercent } from '../int-or-percent.ts';
import { defineKind, type ServedVersion } from '../kind.ts';
import { nameIsPathSegment } from '../names.ts';
import { validateConditions, validateLabelSelector } from '../object-meta.ts';
import { ageColumn, nameColumn } from '../printing.ts';
import { convertedVersion } from '../served-version.ts';

const specPath = new FieldPath('spec');
const statusPath = new FieldPath('status');

/**
 * In policy/v1beta1 an empty selector selected no pod, in policy/v1 it selects all. Conversion keeps the meaning by a requirement
 * that cannot hold (upstream: pkg/apis/policy/v1beta1/conversion.go).
 */
const nonV1beta1MatchAll = { key: 'pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match', operator: 'Exists' as const };

const { key: reserved } = nonV1beta1MatchAll;
const isEmpty = (s: LabelSelector) => Object.keys(s.matchLabels ?? {}).length === 0 && (s.matchExpressions ?? []).length === 0;
const asksOnly = ({ matchLabels = {}, matchExpressions = [] }: LabelSelector, operator: string) =>
  Object.keys(matchLabels).length === 0 &&
  matchExpressions.length === 1 &&
  matchExpressions[0]?.key === reserved &&
  matchExpressions[0].operator === operator;
const matchNone: LabelSelector = { matchExpressions: [nonV1beta1MatchAll] };
/** Holds for every pod, as the requirement's key is reserved; said so that v1beta1 does not take it for none. */
const matchAllInV1beta1: LabelSelector = { matchExpressions: [{ ...nonV1beta1MatchAll, operator: 'DoesNotExist' }] };

/** Without what is said of the reserved label. */
function withoutReserved(selector: LabelSelector): LabelSelector {
  const { matchLabels = {}, matchExpressions = [] } = selector;
  if (!(reserved in matchLabels) && !matchExpressions.some(({ key }) => key === reserved)) return selector;
  const labels = Object.fromEntries(Object.entries(matchLabels).filter(([key]) => key !== reserved));
  const expressions = matchExpressions.filter(({ key }) => key !== reserved);
  return {
    ...(Object.keys(labels).length > 0 ? { matchLabels: labels } : {}),
    ...(expressions.length > 0 ? { matchExpressions: expressions } : {}),
  };
}

type HasSelector = { spec?: { selector?: LabelSelector } };

/** A copy with another selector, where there is one and it is another. */
function withSelector<T extends HasSelector>(pdb: T, change: (selector: LabelSelector) => LabelSelector): T {
  const before = pdb.spec?.selector;
  const selector = before && change(before);
  return selector === before ? pdb : { ...pdb, spec: { ...pdb.spec, selector } };
}

const convertedV1beta1 = convertedVersion(v1beta1.PodDisruptionBudget, PodDisruptionBudget, {
  toStorage: (pdb) =>
    withSelector(pdb, (selector) => {
      if (isEmpty(selector)) return matchNone;
      return asksOnly(selector, 'DoesNotExist') ? {} : withoutReserved(selector);
    }),
  fromStorage: (pdb) =>
    withSelector(pdb, (selector) => {
      if (asksOnly(selector, 'Exists')) return {};
      return isEmpty(selector) ? matchAllInV1beta1 : selector;
    }),
});

function validateStatusConditions({ status }: PodDisruptionBudget, errors: FieldErrors): void {
  validateConditions(status?.conditions, statusPath.child('conditions'), errors);
}

/** Its status could say any numbers. */
const policyV1beta1: ServedVersion<PodDisruptionBudget> = {
  ...convertedV1beta1,
  overrides: { subresources: { status: { validate: (next, _prev, errors) => validateStatusConditions(next, errors) } } },
};

export const podDisruptionBudget = defineKind<PodDisruptionBudget>({
  resource: PodDisruptionBudget,
  shortNames: ['pdb'],
  versions: [policyV1beta1],
  allowUnconditionalUpdate: false,
  validateName: nameIsPathSegment,
  defaults({ spec }) {
    if (spec?.selector && !asksOnly(spec.selector, 'Exists')) spec.selector = withoutReserved(spec.selector);
  },
  validate({ spec = {} }, errors) {
    const { minAvailable, maxUnavailable, selector, unhealthyPodEvictionPolicy } = spec;
    if (minAvailable !== undefined && maxUnavailable !== undefined)
      errors.invalid(
        specPath,
        // Upstream shows its internal type.
        {
          MinAvailable: minAvailable,
          Selector: selector ?? null,
          MaxUnavailable: maxUnavailable,
          UnhealthyPodEvictionPolicy: unhealthyPodEvictionPolicy ?? null,
        },
        'minAvailable and maxUnavailable cannot be both set',
      );
    for (const field of ['minAvailable', 'maxUnavailable'] as const) {
      requireNonNegativeIntOrPercent(spec[field], specPath.child(field), errors);
      requireAtMost100Percent(spec[field], specPath.child(field), errors);
    }
    validateLabelSelector(selector, specPath.child('selector'), errors);
    allowOneOf(errors, specPath.child('unhealthyPodEvictionPolicy'), unhealthyPodEvictionPolicy, ['AlwaysAllow', 'IfHealthyBudget']);
  },
  subresources: {
    status: {
      validate(next, _prev, errors) {
        validateStatusConditions(next, errors);
        if (next.status)
          requireCounts(next.status, ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'], statusPath, errors);
      },
    },
  },
  columns: [
    nameColumn,
    {
      name: 'Min Available',
      description: 'The minimum number of pods that must be available.',
      value: ({ spec }) => String(spec?.minAvailable ?? 'N/A'),
    },
    {
      name: 'Max Unavailable',
      description: 'The maximum number of pods that may be unavailable.',
      value: ({ spec }) => String(spec?.maxUnavailable ?? 'N/A'),
    },
    {
      name: 'Allowed Disruptions',
      type: 'integer',
      description: 'Calculated number of pods that may be disrupted at this time.',
      value: ({ status }) => status?.disruptionsAllowed ?? 0,
    },
    ageColumn,
  ],
});
