/**
 * Extenders: servers outside that have a say in where pods go (kubescheduler.config.k8s.io/v1's `extenders`). They are asked over
 * HTTP after the plugins, which is why a scheduler that has some waits in the middle of a pod's search.
 */
import type { Container, Pod } from '../../api/index.ts';
import type { NodeInfo } from '../cache/node-info.ts';
import { createCall, type ExtenderConfig } from './call.ts';

/** Upstream's MaxExtenderPriority: extenders score from 0 to 10. */
export const maxExtenderScore = 10;

export interface ExtenderRefusals {
  feasible: readonly NodeInfo[];
  /** Why nodes are refused, by name. */
  failed: ReadonlyMap<string, string>;
  /** The same, where preemption would not help. */
  hopeless: ReadonlyMap<string, string>;
}

export interface Extender {
  readonly name: string;
  /** Without it the scheduler goes on as if there were no such extender. */
  readonly ignorable: boolean;
  readonly binds: boolean;
  isInterested(pod: Pod): boolean;
  filter(pod: Pod, nodes: readonly NodeInfo[], signal: AbortSignal): Promise<ExtenderRefusals>;
  /** Weighted scores by node name. */
  prioritize(pod: Pod, nodes: readonly NodeInfo[], signal: AbortSignal): Promise<ReadonlyMap<string, number>>;
  bind(pod: Pod, nodeName: string, signal: AbortSignal): Promise<void>;
}

/** Go reads field names in any case, and extenders are written for that. */
function field(answer: unknown, name: string): unknown {
  if (typeof answer !== 'object' || answer === null) return undefined;
  const found = Object.entries(answer).find(([key]) => key.toLowerCase() === name.toLowerCase());
  return found?.[1];
}

const texts = (map: unknown) =>
  new Map(Object.entries((map ?? {}) as Record<string, unknown>).map(([name, why]) => [name, String(why)] as const));

export function createExtender(config: ExtenderConfig): Extender {
  const { urlPrefix: name, filterVerb, prioritizeVerb, bindVerb, weight = 1, nodeCacheCapable = false } = config;
  const call = createCall(config);
  const managed = new Set(config.managedResources?.map((r) => r.name));
  const asksFor = ({ resources }: Container) =>
    [...Object.keys(resources?.requests ?? {}), ...Object.keys(resources?.limits ?? {})].some((resource) => managed.has(resource));
  const argsOf = (pod: Pod, nodes: readonly NodeInfo[]) => ({
    Pod: pod,
    Nodes: nodeCacheCapable ? null : { metadata: {}, items: nodes.map(({ node }) => node) },
    NodeNames: nodeCacheCapable ? nodes.map((node) => node.name) : null,
  });

  return {
    name,
    ignorable: config.ignorable ?? false,
    binds: bindVerb !== undefined && bindVerb !== '',
    isInterested: ({ spec }) => managed.size === 0 || [...spec.containers, ...(spec.initContainers ?? [])].some(asksFor),

    async filter(pod, nodes, signal) {
      if (!filterVerb) return { feasible: nodes, failed: new Map(), hopeless: new Map() };
      const answer = await call(filterVerb, argsOf(pod, nodes), signal);
      const problem = field(answer, 'Error');
      if (problem) throw new Error(String(problem));
      const given = field(answer, 'NodeNames');
      const items = field(field(answer, 'Nodes'), 'items');
      const names =
        nodeCacheCapable && Array.isArray(given)
          ? given.map(String)
          : Array.isArray(items)
            ? items.map((item) => String(field(field(item, 'metadata'), 'name')))
            : [];
      const byName = new Map(nodes.map((node) => [node.name, node]));
      const feasible = names.map((nodeName) => {
        const node = byName.get(nodeName);
        if (!node)
          throw new Error(
            `extender ${JSON.stringify(name)} claims a filtered node ${JSON.stringify(nodeName)} which is not found in the input node list`,
          );
        return node;
      });
      return { feasible, failed: texts(field(answer, 'FailedNodes')), hopeless: texts(field(answer, 'FailedAndUnresolvableNodes')) };
    },

    async prioritize(pod, nodes, signal) {
      const scores = new Map<string, number>();
      if (!prioritizeVerb) return scores;
      const answer = await call(prioritizeVerb, argsOf(pod, nodes), signal);
      for (const entry of Array.isArray(answer) ? answer : [])
        scores.set(String(field(entry, 'Host')), Number(field(entry, 'Score') ?? 0) * weight);
      return scores;
    },

    async bind({ metadata }, nodeName, signal) {
      const body = { PodName: metadata.name, PodNamespace: metadata.namespace ?? '', PodUID: metadata.uid, Node: nodeName };
      const problem = field(await call(bindVerb ?? '', body, signal), 'Error');
      if (problem) throw new Error(String(problem));
    },
  };
}
