/** Asks plugins about plain objects, without a cluster: one pod, some nodes, some pods on them. */
import { type KubeObject, Namespace, type Node, type Pod, type Resource } from '../../api/index.ts';
import { createClient, createInformerFactory, type SharedInformerFactory } from '../../client/index.ts';
import { createMemoryApi } from '../../client/testing/memory-api.ts';
import { seededRandom, VirtualClock } from '../../time/index.ts';
import { SchedulerCache } from '../cache/cache.ts';
import { podInfoOf } from '../cache/pod-info.ts';
import { CycleState } from '../framework/cycle-state.ts';
import type { Handle } from '../framework/handle.ts';
import { createProfile, type Profile } from '../framework/profile.ts';
import { defaultPlugins, inTreePlugins } from '../plugins/index.ts';
import { Nominator } from '../queue/nominator.ts';
import { type Algorithm, activeFilters, filterWithNominated, runAddPod, runFilters, runRemovePod } from '../schedule-pod.ts';
import { resources } from './test-cluster.ts';

export interface World {
  nodes: Node[];
  /** Pods that have a node. */
  pods?: Pod[];
  objects?: readonly (readonly [Resource<KubeObject>, KubeObject])[];
  plugin?: string;
  args?: Record<string, unknown>;
}

export interface Cycle {
  algorithm: Algorithm;
  profile: Profile;
  /** Each node's refusal, as `Code: reasons`; absent where the pod fits. A refusal before the nodes is under `*`. */
  filter(pod: Pod): Record<string, string>;
  /** Each node's normalized score by the plugin; all 0 when it has nothing to say. */
  score(pod: Pod): Record<string, number>;
}

/** A profile with all plugins, or only with one beside those that every profile needs. */
export async function createCycle({ nodes, pods = [], objects = [], plugin, args }: World): Promise<Cycle> {
  const clock = new VirtualClock();
  const random = seededRandom(1);
  const client = createClient(createMemoryApi(clock, resources));
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' }, spec: {} };
  await client.create(Namespace, namespace);
  for (const [resource, object] of objects) await client.create(resource, object, { namespace: object.metadata.namespace });
  const informers = createInformerFactory({ client, clock, random });
  const cache = new SchedulerCache();
  for (const node of nodes) cache.addNode(node);
  for (const pod of pods) cache.setPod(pod);
  const nominator = new Nominator();
  const algorithm: Algorithm = { cache, nominator, random, percentageOfNodesToScore: 100, nextStart: 0, now: () => 0 };
  const own = () => profile;
  const nothing = () => undefined;
  const handle: Handle = {
    client,
    informers,
    clock,
    random,
    cache,
    nominator,
    recorder: { event: nothing },
    logger: undefined,
    schedulerName: 'default-scheduler',
    filter: (state, pod, node) => filterWithNominated(algorithm, own(), state, pod, node),
    filterAlone: (state, pod, node) => runFilters(activeFilters(own(), state), state, pod, node),
    addPod: (state, pod, other, node) => runAddPod(own(), state, pod, other, node),
    removePod: (state, pod, other, node) => runRemovePod(own(), state, pod, other, node),
    background: nothing,
    release: nothing,
    rejectWaitingPod: () => false,
    allowWaitingPod: nothing,
    preempted: nothing,
  };
  const chosen = plugin ? defaultPlugins.filter((p) => [plugin, 'PrioritySort', 'DefaultBinder'].includes(p.name)) : defaultPlugins;
  const config = plugin && args ? { pluginConfig: [{ name: plugin, args }] } : {};
  const profile = createProfile(config, 'default-scheduler', inTreePlugins, chosen, handle);
  await fill(informers);

  return {
    algorithm,
    profile,
    filter(pod) {
      const info = podInfoOf(pod);
      const state = new CycleState();
      for (const p of profile.at.preFilter) {
        const refused = p.preFilter(state, info, cache.nodes)?.status;
        if (refused) return { '*': `${refused.code}: ${refused.reasons.join(', ')}` };
      }
      const refusals: Record<string, string> = {};
      for (const node of cache.nodes) {
        const refused = runFilters(activeFilters(profile, state), state, info, node);
        if (refused) refusals[node.name] = `${refused.code}: ${refused.reasons.join(', ')}`;
      }
      return refusals;
    },
    score(pod) {
      const info = podInfoOf(pod);
      const state = new CycleState();
      for (const p of profile.at.preScore) if (p.preScore(state, info, cache.nodes)) state.skipScore.add(p.name);
      const scores = new Float64Array(cache.nodes.length);
      for (const p of profile.at.score) {
        if (state.skipScore.has(p.name)) continue;
        for (const [i, node] of cache.nodes.entries()) scores[i] = p.score(state, info, node);
        p.normalizeScores?.(state, info, cache.nodes, scores);
      }
      return Object.fromEntries(cache.nodes.map((node, i) => [node.name, scores[i] ?? 0]));
    },
  };
}

/** Lets the informers read once what there is. */
async function fill(informers: SharedInformerFactory): Promise<void> {
  const stopping = new AbortController();
  const running = informers.run(stopping.signal);
  await informers.whenSynced();
  stopping.abort(new Error('filled'));
  await running;
}
