import { deepEqual } from '../equality.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import {
  type LimitedPriorityLevelConfiguration,
  type LimitResponse,
  PriorityLevelConfiguration,
  type QueuingConfiguration,
} from '../generated/flowcontrol.v1.ts';
import { internalForm } from '../internal-form.ts';
import { defineKind } from '../kind.ts';
import { ageColumn, fieldDoc, nameColumn } from '../printing.ts';
import { mandatoryConfiguration } from './bootstrap-configuration.ts';
import { validateFlowConditions } from './conditions.ts';
import { priorityLevelVersions } from './priority-level-versions.ts';

const specPath = new FieldPath('spec');
const defaultShares = 30;
const defaultQueuing = { queues: 64, handSize: 8, queueLengthLimit: 50 };
const mostQueues = 10_000_000;
/** How many bits of a flow's hash shuffle sharding can use (k8s.io/apiserver/pkg/util/shufflesharding). */
const mostHashBits = 60;

/** How many bits it takes to deal `handSize` cards of `deckSize`. */
function requiredEntropyBits(deckSize: number, handSize: number): number {
  let bits = 0;
  for (let i = 0; i < handSize; i++) bits += Math.log2(deckSize - i);
  return Math.ceil(bits);
}

function validatePercent(percent: number | undefined, at: FieldPath, errors: FieldErrors): void {
  if (percent !== undefined && (percent < 0 || percent > 100)) errors.invalid(at, percent, 'must be between 0 and 100, inclusive');
}

function validateQueuing(queuing: QueuingConfiguration, at: FieldPath, errors: FieldErrors): void {
  const { queues = 0, handSize = 0, queueLengthLimit = 0 } = queuing;
  if (queueLengthLimit <= 0) errors.invalid(at.child('queueLengthLimit'), queueLengthLimit, 'must be positive');
  if (queues <= 0) errors.invalid(at.child('queues'), queues, 'must be positive');
  else if (queues > mostQueues) errors.invalid(at.child('queues'), queues, `must not be greater than ${mostQueues}`);
  const path = at.child('handSize');
  if (handSize <= 0) errors.invalid(path, handSize, 'must be positive');
  else if (handSize > queues) errors.invalid(path, handSize, `should not be greater than queues (${queues})`);
  else if (requiredEntropyBits(queues, Math.min(handSize, mostHashBits + 1)) > mostHashBits)
    errors.invalid(
      path,
      handSize,
      `required entropy bits of deckSize ${queues} and handSize ${handSize} should not be greater than ${mostHashBits}`,
    );
}

function validateLimitResponse(response: LimitResponse | undefined, at: FieldPath, errors: FieldErrors): void {
  const { type = '', queuing } = response ?? {};
  if (type === 'Reject') {
    if (queuing) errors.forbidden(at.child('queuing'), 'must be nil if limited.limitResponse.type is not Limited');
  } else if (type !== 'Queue') errors.notSupported(at.child('type'), type, ['Queue', 'Reject']);
  else if (queuing) validateQueuing(queuing, at.child('queuing'), errors);
  else errors.required(at.child('queuing'), 'must not be empty if limited.limitResponse.type is Limited');
}

function validateLimited(limited: LimitedPriorityLevelConfiguration, at: FieldPath, errors: FieldErrors): void {
  const { nominalConcurrencyShares: shares = 0, borrowingLimitPercent: borrowing } = limited;
  if (shares < 0) errors.invalid(at.child('nominalConcurrencyShares'), shares, 'must be a non-negative integer');
  validateLimitResponse(limited.limitResponse, at.child('limitResponse'), errors);
  validatePercent(limited.lendablePercent, at.child('lendablePercent'), errors);
  if (borrowing !== undefined && borrowing < 0)
    errors.invalid(at.child('borrowingLimitPercent'), borrowing, 'if specified, must be a non-negative integer');
}

export const priorityLevelConfiguration = defineKind<PriorityLevelConfiguration>({
  resource: PriorityLevelConfiguration,
  versions: priorityLevelVersions,
  defaults({ spec }) {
    const { exempt, limited } = spec ?? {};
    for (const part of [exempt, limited]) if (part) part.lendablePercent ??= 0;
    if (exempt) exempt.nominalConcurrencyShares ??= 0;
    if (!limited) return;
    limited.nominalConcurrencyShares ??= defaultShares;
    const queuing = limited.limitResponse?.queuing;
    if (!queuing) return;
    queuing.queues ||= defaultQueuing.queues;
    queuing.handSize ||= defaultQueuing.handSize;
    queuing.queueLengthLimit ||= defaultQueuing.queueLengthLimit;
  },
  subresources: {
    status: { keepsMetadata: true, validate: ({ status }, _prev, errors) => validateFlowConditions(status?.conditions, errors) },
  },
  validate({ metadata: { name }, spec, status }, errors) {
    const { type = '', limited, exempt } = spec ?? {};
    if ((name === 'exempt') !== (type === 'Exempt'))
      errors.invalid(specPath.child('type'), type, "must be 'Exempt' if and only if `name` is 'exempt'");
    if (type === 'Exempt') {
      if (limited) errors.forbidden(specPath.child('limited'), 'must be nil if the type is not Limited');
      const shares = exempt?.nominalConcurrencyShares ?? 0;
      if (shares < 0) errors.invalid(specPath.child('exempt', 'nominalConcurrencyShares'), shares, 'must be a non-negative integer');
      validatePercent(exempt?.lendablePercent, specPath.child('exempt', 'lendablePercent'), errors);
    } else if (type === 'Limited') {
      if (exempt) errors.forbidden(specPath.child('exempt'), 'must be nil if the type is Limited');
      if (limited) validateLimited(limited, specPath.child('limited'), errors);
      else errors.required(specPath.child('limited'), 'must not be empty when type is Limited');
    } else errors.notSupported(specPath.child('type'), type, ['Exempt', 'Limited']);
    const fixed = mandatoryConfiguration.priorityLevels.get(name);
    if (name === 'exempt') {
      // Its shares and what it lends are the administrator's to choose.
      if (!deepEqual({ ...spec, exempt: undefined }, { ...fixed, exempt: undefined }))
        errors.invalid(
          specPath,
          internalForm('flowcontrol.v1.PriorityLevelConfigurationSpec', spec),
          "spec of 'exempt' except the 'spec.exempt' field must equal the fixed value",
        );
    } else if (fixed !== undefined && !deepEqual(spec, fixed))
      errors.invalid(
        specPath,
        internalForm('flowcontrol.v1.PriorityLevelConfigurationSpec', spec),
        `spec of '${name}' must equal the fixed value`,
      );
    validateFlowConditions(status?.conditions, errors);
  },
  columns: [
    nameColumn,
    {
      name: 'Type',
      description: fieldDoc('flowcontrol.v1.PriorityLevelConfigurationSpec.type'),
      value: ({ spec }) => spec.type,
    },
    {
      name: 'NominalConcurrencyShares',
      description: fieldDoc('flowcontrol.v1.LimitedPriorityLevelConfiguration.nominalConcurrencyShares'),
      value: ({ spec }) => spec.limited?.nominalConcurrencyShares ?? '<none>',
    },
    {
      name: 'Queues',
      description: fieldDoc('flowcontrol.v1.QueuingConfiguration.queues'),
      value: ({ spec }) => spec.limited?.limitResponse?.queuing?.queues ?? '<none>',
    },
    {
      name: 'HandSize',
      description: fieldDoc('flowcontrol.v1.QueuingConfiguration.handSize'),
      value: ({ spec }) => spec.limited?.limitResponse?.queuing?.handSize ?? '<none>',
    },
    {
      name: 'QueueLengthLimit',
      description: fieldDoc('flowcontrol.v1.QueuingConfiguration.queueLengthLimit'),
      value: ({ spec }) => spec.limited?.limitResponse?.queuing?.queueLengthLimit ?? '<none>',
    },
    ageColumn,
  ],
});
