import { FieldErrors, FieldPath, fieldErrorMessage, type schedulerconfigV1 } from '../../api/index.ts';
import { defaultSchedulerName } from '../framework/config.ts';

type Configuration = schedulerconfigV1.KubeSchedulerConfiguration;
type Profile = schedulerconfigV1.KubeSchedulerProfile;
type Extender = schedulerconfigV1.Extender;

const defaultResources = new Set(['cpu', 'memory', 'pods', 'ephemeral-storage', 'storage']);

/** What is wrong with a configuration, in upstream's words. */
export function validateConfiguration(configuration: Configuration): string[] {
  const errors = new FieldErrors();
  const {
    parallelism,
    percentageOfNodesToScore,
    podInitialBackoffSeconds = 1,
    podMaxBackoffSeconds = 10,
    profiles,
    extenders,
  } = configuration;
  const at = (name: string) => new FieldPath(name);
  if (parallelism !== undefined && parallelism <= 0)
    errors.invalid(at('parallelism'), parallelism, 'should be an integer value greater than zero');
  const queueSorts = (profiles ?? []).map(({ plugins }) => plugins?.queueSort?.enabled?.[0]?.name);
  const names = new Map<string, number>();
  for (const [i, profile] of (profiles ?? []).entries()) {
    const path = at('profiles').index(i);
    validateProfile(profile, path, errors);
    const name = profile.schedulerName ?? ((profiles ?? []).length === 1 ? defaultSchedulerName : '');
    if (name === '') errors.required(path.child('schedulerName'));
    else if (names.has(name)) errors.duplicate(path.child('schedulerName'), name);
    names.set(name, i);
    if (queueSorts[i] !== queueSorts[0])
      errors.invalid(path.child('plugins', 'queueSort'), profile.plugins?.queueSort ?? {}, `has to match for all profiles`);
  }
  inRange(percentageOfNodesToScore, at('percentageOfNodesToScore'), errors);
  if (podInitialBackoffSeconds <= 0) errors.invalid(at('podInitialBackoffSeconds'), podInitialBackoffSeconds, 'must be greater than 0');
  if (podMaxBackoffSeconds < podInitialBackoffSeconds)
    errors.invalid(at('podMaxBackoffSeconds'), podMaxBackoffSeconds, 'must be greater than or equal to PodInitialBackoffSeconds');
  validateExtenders(extenders ?? [], at('extenders'), errors);
  return errors.list.map(fieldErrorMessage);
}

function inRange(value: number | undefined, path: FieldPath, errors: FieldErrors): void {
  if (value !== undefined && (value < 0 || value > 100)) errors.invalid(path, value, 'not in valid range [0-100]');
}

function validateProfile(profile: Profile, path: FieldPath, errors: FieldErrors): void {
  inRange(profile.percentageOfNodesToScore, path.child('percentageOfNodesToScore'), errors);
  const seen = new Set<string>();
  for (const [i, { name, args }] of (profile.pluginConfig ?? []).entries()) {
    const at = path.child('pluginConfig').index(i);
    if (seen.has(name)) errors.duplicate(at, name);
    seen.add(name);
    // Read by the type that the name stands for.
    validateArgs(name, (args ?? {}) as Record<string, unknown>, at.child('args'), errors);
  }
}

function validateArgs(name: string, args: Record<string, unknown>, path: FieldPath, errors: FieldErrors): void {
  switch (name) {
    case 'DefaultPreemption': {
      const { minCandidateNodesPercentage: share = 10, minCandidateNodesAbsolute: count = 100 } =
        args as schedulerconfigV1.DefaultPreemptionArgs;
      if (share < 0 || share > 100) errors.invalid(path.child('minCandidateNodesPercentage'), share, 'not in valid range [0, 100]');
      if (count < 0) errors.invalid(path.child('minCandidateNodesAbsolute'), count, 'not in valid range [0, inf)');
      if (share === 0 && count === 0)
        errors.invalid(path, args, 'minCandidateNodesPercentage and minCandidateNodesAbsolute cannot both be zero');
      return;
    }
    case 'InterPodAffinity': {
      const weight = (args as unknown as schedulerconfigV1.InterPodAffinityArgs).hardPodAffinityWeight;
      if (weight !== undefined && (weight < 0 || weight > 100))
        errors.invalid(path.child('hardPodAffinityWeight'), weight, 'not in valid range [0-100]');
      return;
    }
    case 'NodeResourcesFit': {
      const { ignoredResources, scoringStrategy } = args as schedulerconfigV1.NodeResourcesFitArgs;
      for (const [i, resource] of (ignoredResources ?? []).entries())
        if (defaultResources.has(resource))
          errors.invalid(path.child('ignoredResources').index(i), resource, 'cannot ignore a default resource');
      if (scoringStrategy) validateStrategy(scoringStrategy, path.child('scoringStrategy'), errors);
      return;
    }
    case 'NodeResourcesBalancedAllocation': {
      for (const [i, { name: resource, weight = 1 }] of (
        (args as schedulerconfigV1.NodeResourcesBalancedAllocationArgs).resources ?? []
      ).entries())
        if (weight !== 1)
          errors.invalid(path.child('resources').index(i).child('weight'), weight, `resource weight of ${resource} should be 1`);
      return;
    }
    case 'PodTopologySpread': {
      const { defaultingType = 'System', defaultConstraints = [] } = args as schedulerconfigV1.PodTopologySpreadArgs;
      if (defaultingType === 'System' && defaultConstraints.length > 0)
        errors.invalid(path.child('defaultingType'), defaultingType, 'when .defaultConstraints are not empty');
      for (const [i, constraint] of defaultConstraints.entries()) {
        const at = path.child('defaultConstraints').index(i);
        if (constraint.maxSkew <= 0) errors.invalid(at.child('maxSkew'), constraint.maxSkew, 'not in valid range (0, inf)');
        if (!constraint.topologyKey) errors.required(at.child('topologyKey'), 'can not be empty');
        if (constraint.labelSelector)
          errors.forbidden(at.child('labelSelector'), 'constraint must not define a selector, as they deduced for each pod');
      }
      return;
    }
    case 'VolumeBinding': {
      const { bindTimeoutSeconds: timeout } = args as schedulerconfigV1.VolumeBindingArgs;
      if (timeout !== undefined && timeout < 0)
        errors.invalid(path.child('bindTimeoutSeconds'), timeout, 'invalid BindTimeoutSeconds, should not be a negative value');
    }
  }
}

function validateStrategy(strategy: schedulerconfigV1.ScoringStrategy, path: FieldPath, errors: FieldErrors): void {
  const types = ['LeastAllocated', 'MostAllocated', 'RequestedToCapacityRatio'];
  if (strategy.type && !types.includes(strategy.type)) errors.notSupported(path.child('type'), strategy.type, types);
  for (const [i, { name, weight }] of (strategy.resources ?? []).entries()) {
    if (weight !== undefined && weight !== 0 && (weight < 1 || weight > 100))
      errors.invalid(path.child('resources').index(i).child('weight'), weight, `resource weight of ${name} not in valid range [1-100]`);
  }
  if (strategy.type !== 'RequestedToCapacityRatio') return;
  const shape = strategy.requestedToCapacityRatio?.shape ?? [];
  const at = path.child('shape');
  if (shape.length === 0) errors.required(at, 'at least one point must be specified');
  for (const [i, { utilization, score }] of shape.entries()) {
    if (utilization < 0 || utilization > 100) errors.invalid(at.index(i).child('utilization'), utilization, 'not in valid range [0-100]');
    if (score < 0 || score > 10) errors.invalid(at.index(i).child('score'), score, 'not in valid range [0-10]');
    const before = shape[i - 1];
    if (before && utilization <= before.utilization)
      errors.invalid(at.index(i).child('utilization'), utilization, 'utilization values must be sorted in increasing order');
  }
}

function validateExtenders(extenders: readonly Extender[], path: FieldPath, errors: FieldErrors): void {
  const managed = new Set<string>();
  let binders = 0;
  for (const [i, extender] of extenders.entries()) {
    const at = path.index(i);
    if (extender.prioritizeVerb && (extender.weight ?? 0) <= 0)
      errors.invalid(at.child('weight'), extender.weight ?? 0, 'must have a positive weight applied to it');
    if (extender.bindVerb) binders++;
    for (const [j, { name }] of (extender.managedResources ?? []).entries()) {
      const where = at.child('managedResources').index(j).child('name');
      if (!name.includes('/') || name.startsWith('kubernetes.io/'))
        errors.invalid(where, name, `${name} is an invalid extended resource name`);
      if (managed.has(name)) errors.invalid(where, name, 'duplicate extender managed resource name');
      managed.add(name);
    }
  }
  if (binders > 1) errors.invalid(path, `found ${binders} extenders implementing bind`, 'only one extender can implement bind');
}
