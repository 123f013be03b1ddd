import type { NodeResourcesBalancedAllocationArgs } from '../framework/config.ts';
import type { PluginFactory } from '../framework/handle.ts';
import { maxNodeScore } from '../framework/plugin.ts';
import { status } from '../framework/status.ts';
import { defaultScoredResources } from './resource-scorer.ts';

const name = 'NodeResourcesBalancedAllocation';

/** Prefers nodes whose resources the pod brings nearer to being used in like shares. */
export const nodeResourcesBalancedAllocation: PluginFactory = (args) => {
  const given = (args as NodeResourcesBalancedAllocationArgs).resources;
  const resources = given?.length ? given : defaultScoredResources;
  return {
    name,
    // A pod that requests nothing changes no balance.
    preScore: (_state, pod) => (resources.every((r) => pod.requests.get(r.name) === 0) ? status(name, 'Skip') : undefined),
    score(_state, pod, node) {
      const [before, after]: [number[], number[]] = [[], []];
      for (const resource of resources) {
        const capacity = node.allocatable.get(resource.name);
        const own = pod.requests.get(resource.name);
        if (capacity === 0 || (own === 0 && resource.name.includes('/'))) continue;
        const requested = node.requested.get(resource.name);
        before.push(Math.min(1, requested / capacity));
        after.push(Math.min(1, (requested + own) / capacity));
      }
      // What counts is what the pod changes, from 0 for the worst to 100: a balance that stays as it is gives 75.
      const half = maxNodeScore / 2;
      return half + Math.trunc((half + balance(after) - balance(before)) / 2);
    },
  };
};

const balance = (fractions: readonly number[]) => Math.trunc((1 - deviation(fractions)) * maxNodeScore);

function deviation(fractions: readonly number[]): number {
  const [first = 0, second = 0] = fractions;
  if (fractions.length === 2) return Math.abs(first - second) / 2;
  if (fractions.length < 2) return 0;
  const mean = fractions.reduce((a, b) => a + b, 0) / fractions.length;
  return Math.sqrt(fractions.reduce((sum, f) => sum + (f - mean) ** 2, 0) / fractions.length);
}
