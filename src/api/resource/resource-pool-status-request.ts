import { type FieldErrors, FieldPath } from '../fields.ts';
import { type PoolStatus, ResourcePoolStatusRequest } from '../generated/resource.v1alpha3.ts';
import { type Column, defineKind } from '../kind.ts';
import { validateConditions, validateImmutable } from '../object-meta.ts';
import { nameColumn, translateTimestampSince } from '../printing.ts';
import { validateDriverName, validatePoolName, validateSlice } from './checks.ts';

const specPath = new FieldPath('spec');
const statusPath = new FieldPath('status');
const maxPools = 1000;
const maxConditions = 10;
const counts = ['totalDevices', 'allocatedDevices', 'availableDevices', 'unavailableDevices'] as const;

const outcomeOf = (status: ResourcePoolStatusRequest['status']) =>
  status?.conditions?.find(({ type, status }) => status === 'True' && (type === 'Complete' || type === 'Failed'));

function validatePool(pool: PoolStatus, path: FieldPath, errors: FieldErrors): void {
  validateDriverName(pool.driver ?? '', path.child('driver'), errors);
  validatePoolName(pool.poolName ?? '', path.child('poolName'), errors);
  if (pool.generation < 0) errors.invalid(path.child('generation'), pool.generation, 'must be greater than or equal to 0');
  for (const field of counts) {
    const count = pool[field];
    if (count !== undefined && count < 0) errors.invalid(path.child(field), count, 'must be greater than or equal to 0');
  }
}

/** How far the answer is: `Complete (2/3 pools)` where not all that match are told of. */
function statusCell({ status }: ResourcePoolStatusRequest): string {
  const outcome = outcomeOf(status)?.type ?? 'Pending';
  const { poolCount = 0, pools = [] } = status ?? {};
  return outcome === 'Complete' && poolCount > pools.length ? `Complete (${pools.length}/${poolCount} pools)` : outcome;
}

/** A number over all pools, of an answer that has not failed. */
const sumColumn = (
  name: string,
  description: string,
  count: (pool: PoolStatus) => number | undefined,
): Column<ResourcePoolStatusRequest> => ({
  name,
  description,
  value: ({ status }) =>
    !status || outcomeOf(status)?.type === 'Failed' ? '-' : (status.pools ?? []).reduce((sum, pool) => sum + (count(pool) ?? 0), 0),
});

/** Asks once how full pools of devices are; the answer is the status (KEP-5677). */
export const resourcePoolStatusRequest = defineKind<ResourcePoolStatusRequest>({
  resource: ResourcePoolStatusRequest,
  allowUnconditionalUpdate: false,
  generation: false,
  create: (request) => void delete request.status,
  validateCreate({ spec }, errors) {
    validateDriverName(spec.driver, specPath.child('driver'), errors);
    if (spec.poolName !== undefined) validatePoolName(spec.poolName, specPath.child('poolName'), errors);
    const { limit } = spec;
    if (limit !== undefined && limit < 1) errors.invalid(specPath.child('limit'), limit, 'must be greater than or equal to 1');
    if (limit !== undefined && limit > maxPools)
      errors.invalid(specPath.child('limit'), limit, `must be less than or equal to ${maxPools}`);
  },
  validateUpdate: (next, prev, errors) => validateImmutable(next.spec, prev.spec, specPath, errors),
  subresources: {
    status: {
      keepsMetadata: true,
      validate({ status }, prev, errors) {
        if (prev.status) validateImmutable(status, prev.status, statusPath, errors);
        if (!status) return;
        if (status.poolCount === undefined) errors.required(statusPath.child('poolCount'));
        else if (status.poolCount < 0)
          errors.invalid(statusPath.child('poolCount'), status.poolCount, 'must be greater than or equal to 0');
        validateSlice(status.pools, maxPools, (pool, at) => validatePool(pool, at, errors), statusPath.child('pools'), errors);
        const count = status.conditions?.length ?? 0;
        if (count > maxConditions) errors.tooMany(statusPath.child('conditions'), count, maxConditions);
        validateConditions(status.conditions, statusPath.child('conditions'), errors);
      },
    },
  },
  columns: [
    nameColumn,
    { name: 'Driver', description: 'The driver to query pools for.', value: ({ spec }) => spec.driver },
    sumColumn('Total', 'Total number of devices across all pools.', (pool) => pool.totalDevices),
    sumColumn('Available', 'Number of available devices across all pools.', (pool) => pool.availableDevices),
    sumColumn('Allocated', 'Number of allocated devices across all pools.', (pool) => pool.allocatedDevices),
    sumColumn('Unavailable', 'Number of unavailable devices across all pools.', (pool) => pool.unavailableDevices),
    sumColumn('Errors', 'Number of pools with validation errors.', (pool) => (pool.validationError === undefined ? 0 : 1)),
    { name: 'Pools', type: 'integer', description: 'Total number of matching pools.', value: ({ status }) => status?.poolCount ?? 0 },
    { name: 'Status', description: 'Processing status.', value: statusCell },
    {
      name: 'Completed',
      description: 'Time since the observation completed.',
      value({ status }, nowMs) {
        const outcome = outcomeOf(status);
        return outcome?.type === 'Complete' ? translateTimestampSince(outcome.lastTransitionTime, nowMs) : '<none>';
      },
    },
  ],
});
