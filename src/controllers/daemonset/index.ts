/** DaemonSets: a pod on each node that fits. The pods are pinned by affinity; the scheduler binds them. */
import type { Pod } from '../../api/index.ts';
import { ControllerRevision, DaemonSet, Node, Pod as PodResource, selectorFromObject, semanticEqual } from '../../api/index.ts';
import { controllerOf, controllerRef, createBackoff, keyOf } from '../../client/index.ts';
import {
  claim,
  createExpectations,
  createPodControl,
  defineController,
  indexByController,
  isNamespaceTerminating,
  podFromTemplate,
  slowStart,
  syncHistory,
  trimHistory,
  untilNextAvailable,
} from '../framework/index.ts';
import {
  daemonStatus,
  fitsNode,
  hashLabel,
  nodeOf,
  pinnedToNode,
  planDaemons,
  planRollingUpdate,
  strayPods,
  withDaemonTolerations,
} from './plan.ts';

/** Set by the API: how many templates the DaemonSet has had, as pods of old clusters say. */
const templateGenerationAnnotation = 'deprecated.daemonset.template.generation';
/** Upstream's BurstReplicas of DaemonSets. */
const burst = 250;

export const daemonSetController = defineController('daemonset-controller', ({ client, clock, random, informers, recorder }, queue) => {
  const daemonSets = informers.for(DaemonSet);
  const pods = informers.for(PodResource);
  const nodes = informers.for(Node);
  const revisions = informers.for(ControllerRevision);
  indexByController(pods);
  indexByController(revisions);
  const events = recorder('daemonset-controller');
  const expectations = createExpectations(clock);
  const known = (pod: Pod) => pods.lister.getByKey(keyOf(pod))?.metadata.uid === pod.metadata.uid;
  const control = createPodControl({ client, recorder: events, expectations, known });
  /** Failed pods of one DaemonSet on one node are replaced after 1 s, 2 s, 4 s, ... up to 15 min. */
  const failures = new Map<string, { backoff: ReturnType<typeof createBackoff>; untilMs: number }>();

  const enqueueOwner = (pod: Pod): void => {
    const reference = controllerOf(pod);
    if (reference?.kind === 'DaemonSet') queue.add(keyOf({ metadata: { ...pod.metadata, name: reference.name } }));
    else if (!reference && !pod.metadata.deletionTimestamp) {
      for (const d of daemonSets.lister.list(pod.metadata.namespace)) {
        if (selectorFromObject(d.spec.selector).matches(pod.metadata.labels)) queue.add(keyOf(d));
      }
    }
  };
  daemonSets.addHandler({
    add: (d) => queue.add(keyOf(d)),
    update: (d) => queue.add(keyOf(d)),
    delete: (d) => {
      expectations.forget(keyOf(d));
      queue.add(keyOf(d));
    },
  });
  pods.addHandler({
    add(pod) {
      expectations.observe('created', pod.metadata.uid);
      enqueueOwner(pod);
    },
    update(pod, previous) {
      if (pod.metadata.deletionTimestamp) expectations.observe('deleted', pod.metadata.uid);
      if (controllerOf(previous)?.uid !== controllerOf(pod)?.uid) enqueueOwner(previous);
      enqueueOwner(pod);
    },
    delete(pod) {
      expectations.observe('created', pod.metadata.uid);
      expectations.observe('deleted', pod.metadata.uid);
      enqueueOwner(pod);
    },
  });
  const enqueueKeeper = (revision: ControllerRevision): void => {
    const keeper = controllerOf(revision);
    if (keeper?.kind === 'DaemonSet') queue.add(keyOf({ metadata: { ...revision.metadata, name: keeper.name } }));
  };
  // A revision that somebody takes away, or gives to somebody else, is missed.
  revisions.addHandler({
    update: (revision, previous) => {
      if (controllerOf(previous)?.uid !== controllerOf(revision)?.uid) enqueueKeeper(previous);
    },
    delete: enqueueKeeper,
  });
  const enqueueAll = () => {
    for (const d of daemonSets.lister.list()) queue.add(keyOf(d));
  };
  nodes.addHandler({
    add: enqueueAll,
    delete: enqueueAll,
    update(node, previous) {
      // Node status changes all the time and says nothing that matters here.
      if (semanticEqual(node.metadata.labels, previous.metadata.labels) && semanticEqual(node.spec?.taints, previous.spec?.taints)) return;
      for (const d of daemonSets.lister.list()) {
        const [was, is] = [fitsNode(d, previous), fitsNode(d, node)];
        if (was.run !== is.run || was.stay !== is.stay) queue.add(keyOf(d));
      }
    },
  });

  const delayOf = (key: string, pod: Pod): number => {
    const id = `${key} ${nodeOf(pod)}`;
    const now = clock.monotonic();
    let failure = failures.get(id);
    if (!failure) {
      failure = {
        backoff: createBackoff(clock, random, { initialMs: 1000, maxMs: 900_000, jitter: 0, resetAfterMs: 1_800_000 }),
        untilMs: now,
      };
      failures.set(id, failure);
    }
    if (now < failure.untilMs) return failure.untilMs - now;
    failure.untilMs = now + failure.backoff.next();
    return 0;
  };

  const reconcile = async (key: string, signal: AbortSignal) => {
    const daemonSet = daemonSets.lister.getByKey(key);
    if (!daemonSet) {
      for (const id of [...failures.keys()]) if (id.startsWith(`${key} `)) failures.delete(id);
      return {};
    }
    const selector = selectorFromObject(daemonSet.spec.selector);
    if (selector.everything) {
      events.event(daemonSet, 'Warning', 'SelectingAll', 'This daemon set is selecting all pods. A non-empty selector is required.');
      return {};
    }
    if (daemonSet.metadata.deletionTimestamp) return {};
    const common = { client, owner: daemonSet, ownerResource: DaemonSet, selector, signal };
    const history = await syncHistory({ ...common, informer: revisions, hashLabel });
    const hash = history.update.metadata.labels?.[hashLabel] ?? '';
    const mayAct = expectations.satisfied(key);
    const own = await claim({ ...common, informer: pods });
    const all = [...nodes.lister.list()].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
    let requeue: number | undefined;
    let thrown: unknown;

    const apply = async (create: readonly string[], remove: readonly Pod[]): Promise<void> => {
      const { template } = daemonSet.spec;
      const draft = podFromTemplate(template, daemonSet, controllerRef(daemonSet, DaemonSet));
      const generation = daemonSet.metadata.annotations?.[templateGenerationAnnotation];
      const labels = {
        ...draft.metadata.labels,
        [hashLabel]: hash,
        ...(generation ? { 'pod-template-generation': generation } : {}),
      };
      const spec = withDaemonTolerations(template.spec);
      const deleted = Promise.allSettled(remove.slice(0, burst).map((pod) => control.delete(daemonSet, pod, signal)));
      await slowStart(Math.min(create.length, burst), async (i) => {
        const metadata = { ...draft.metadata, labels };
        await control.create(daemonSet, { ...draft, metadata, spec: pinnedToNode(spec, create[i] ?? '') }, signal);
      });
      const failed = (await deleted).find((r) => r.status === 'rejected');
      if (failed) throw failed.reason;
    };

    if (mayAct) {
      const plan = planDaemons(daemonSet, all, own, hash, clock.now());
      const late = new Set<Pod>();
      for (const pod of plan.ended) {
        const at = `daemon pod ${keyOf(pod)} on node ${nodeOf(pod)}`;
        if (pod.status?.phase === 'Succeeded') {
          events.event(daemonSet, 'Normal', 'SucceededDaemonPod', `Found succeeded ${at}, will try to delete it`);
          continue;
        }
        const delay = delayOf(key, pod);
        if (delay > 0) {
          late.add(pod);
          requeue = Math.min(requeue ?? delay, delay);
          continue;
        }
        events.event(daemonSet, 'Warning', 'FailedDaemonPod', `Found failed ${at}, will try to kill it`);
      }
      const remove = [...plan.remove.filter((pod) => !late.has(pod)), ...strayPods(new Set(all.map((n) => n.metadata.name)), own)];
      try {
        await apply(plan.create, remove);
        if (daemonSet.spec.updateStrategy?.type !== 'OnDelete' && expectations.satisfied(key)) {
          const step = planRollingUpdate(daemonSet, all, own, hash, clock.now());
          await apply(step.create, step.remove);
        }
      } catch (error) {
        if (!isNamespaceTerminating(error)) thrown = error;
      }
    }

    const status = daemonStatus(daemonSet, all, own, hash, clock.now());
    if (!semanticEqual(status, daemonSet.status)) await client.updateStatus(DaemonSet, { ...daemonSet, status }, { signal });
    if (thrown) throw thrown;
    const live = new Set(
      history.revisions
        .filter((r) => own.some((pod) => pod.metadata.labels?.[hashLabel] === r.metadata.labels?.[hashLabel]))
        .map((r) => r.metadata.name),
    );
    await trimHistory(client, daemonSet, history.revisions, live.add(history.update.metadata.name), signal);
    const available = untilNextAvailable(own, daemonSet.spec.minReadySeconds ?? 0, clock.now());
    const wait = Math.min(requeue ?? Number.POSITIVE_INFINITY, available ?? Number.POSITIVE_INFINITY);
    return Number.isFinite(wait) ? { requeueAfterMs: wait } : {};
  };

  return { informers: [daemonSets, pods, nodes, revisions], reconcile };
});
