/** StatefulSets: pods with names and claims that stay, brought up and down in order. */
import type { Pod, StatefulSet } from '../../api/index.ts';
import {
  ControllerRevision,
  hasReason,
  PersistentVolumeClaim,
  Pod as PodResource,
  StatefulSet as StatefulSetResource,
  selectorFromObject,
  semanticEqual,
} from '../../api/index.ts';
import { controllerOf, keyOf } from '../../client/index.ts';
import {
  claim,
  defineController,
  type History,
  indexByController,
  isNamespaceTerminating,
  messageOf,
  syncHistory,
  templateOf,
  trimHistory,
  untilNextAvailable,
} from '../framework/index.ts';
import {
  claimOwners,
  claimsFor,
  hasUnexpectedController,
  isMember,
  isStale,
  newPod,
  ordinalOf,
  podNameOf,
  revisionLabel,
  withIdentity,
} from './identity.ts';
import { createStatefulSetMetrics } from './metrics.ts';
import { planPods, type Revisions, type Step, statefulSetStatus, updateBudget } from './plan.ts';

export const statefulSetController = defineController(
  'statefulset-controller',
  ({ client, clock, informers, recorder, metrics }, queue) => {
    const sets = informers.for(StatefulSetResource);
    const pods = informers.for(PodResource);
    const claims = informers.for(PersistentVolumeClaim);
    const revisionInformer = informers.for(ControllerRevision);
    indexByController(pods);
    indexByController(revisionInformer);
    const events = recorder('statefulset-controller');
    const measured = createStatefulSetMetrics(metrics);

    const enqueueOwner = (pod: Pod): void => {
      const reference = controllerOf(pod);
      if (reference?.kind === 'StatefulSet') queue.add(keyOf({ metadata: { ...pod.metadata, name: reference.name } }));
      else if (!reference && !pod.metadata.deletionTimestamp) {
        for (const s of sets.lister.list(pod.metadata.namespace)) {
          if (selectorFromObject(s.spec.selector).matches(pod.metadata.labels)) queue.add(keyOf(s));
        }
      }
    };
    sets.addHandler({
      add: (s) => queue.add(keyOf(s)),
      update: (s) => queue.add(keyOf(s)),
      delete: (s) => {
        measured.forget(s);
        queue.add(keyOf(s));
      },
    });
    pods.addHandler({
      add: enqueueOwner,
      update: (pod, previous) => {
        if (controllerOf(previous)?.uid !== controllerOf(pod)?.uid) enqueueOwner(previous);
        enqueueOwner(pod);
      },
      delete: enqueueOwner,
    });

    // Pods that wait for a claim that somebody has taken away get it again.
    claims.addHandler({
      delete: ({ metadata: { name, namespace } }) => {
        for (const s of sets.lister.list(namespace))
          if (s.spec.volumeClaimTemplates?.some((t) => name.startsWith(`${t.metadata.name}-${s.metadata.name}-`))) queue.add(keyOf(s));
      },
    });

    /** Does something to a pod (or claim), with upstream's event of how it went. */
    const record = async <R>(
      set: StatefulSet,
      verb: 'create' | 'delete' | 'update',
      what: string,
      act: () => Promise<R>,
      options: { success?: string; failed?: string } = {},
    ): Promise<R | undefined> => {
      const title = `${verb[0]?.toUpperCase()}${verb.slice(1)}`;
      try {
        const result = await act();
        events.event(set, 'Normal', `Successful${title}`, `${verb} ${what} ${options.success ?? 'successful'}`);
        return result;
      } catch (error) {
        // The cache was behind: what was wanted is so already, and an event of it will come.
        if (hasReason(error, verb === 'create' ? 'AlreadyExists' : 'NotFound')) return undefined;
        if (isNamespaceTerminating(error)) throw error;
        events.event(set, 'Warning', `Failed${title}`, `${verb} ${options.failed ?? what} failed error: ${messageOf(error)}`);
        throw error;
      }
    };

    const makeClaims = async (set: StatefulSet, ordinal: number, signal: AbortSignal): Promise<void> => {
      const { namespace } = set.metadata;
      for (const wanted of claimsFor(set, ordinal)) {
        const present = claims.lister.get(wanted.metadata.name, namespace);
        if (present?.metadata.deletionTimestamp) throw new Error(`pvc ${wanted.metadata.name} is being deleted`);
        if (present) continue;
        const whose = `Pod ${podNameOf(set, ordinal)} in StatefulSet ${set.metadata.name}`;
        const [what, failed] = [`Claim ${wanted.metadata.name} ${whose}`, `Claim ${wanted.metadata.name} for ${whose}`];
        const make = () => client.create(PersistentVolumeClaim, wanted, { namespace, signal });
        await record(set, 'create', what, make, { success: 'success', failed });
      }
    };

    const hasStaleClaim = (set: StatefulSet, ordinal: number): boolean =>
      claimsFor(set, ordinal).some(({ metadata }) => {
        const present = claims.lister.get(metadata.name, set.metadata.namespace);
        return present !== undefined && isStale(present, set, ordinal);
      });

    /** Gives the pod's claims the owners that the retention policy asks for. */
    const ownClaims = async (set: StatefulSet, pod: Pod, signal: AbortSignal): Promise<void> => {
      for (const wanted of claimsFor(set, ordinalOf(pod))) {
        const present = claims.lister.get(wanted.metadata.name, set.metadata.namespace);
        if (!present) continue;
        const ownerReferences = claimOwners(set, present, pod);
        if (hasUnexpectedController(present, set, pod)) {
          const message = `PersistentVolumeClaim ${present.metadata.name} has a conflicting OwnerReference that acts as a manging controller, the retention policy is ignored for this claim`;
          events.event(set, 'Warning', 'ConflictingController', message);
        }
        if (semanticEqual(ownerReferences, present.metadata.ownerReferences)) continue;
        await client.update(PersistentVolumeClaim, { ...present, metadata: { ...present.metadata, ownerReferences } }, { signal });
      }
    };

    const take = async (set: StatefulSet, step: Step, history: History, signal: AbortSignal): Promise<void> => {
      const { namespace, name } = set.metadata;
      if (step.do === 'claim') return makeClaims(set, ordinalOf(step.pod), signal);
      if (step.do === 'create') {
        // The claim's end brings the set back here.
        if (hasStaleClaim(set, step.ordinal)) return;
        await makeClaims(set, step.ordinal, signal);
        const revision = history.revisions.find((r) => r.metadata.name === step.revision) ?? history.update;
        const draft = newPod(set, step.ordinal, templateOf(revision), revision.metadata.name);
        await record(set, 'create', `Pod ${podNameOf(set, step.ordinal)} in StatefulSet ${name}`, () =>
          client.create(PodResource, draft, { namespace, signal }),
        );
        return;
      }
      const { pod } = step;
      if (step.do === 'repair') {
        await makeClaims(set, ordinalOf(pod), signal);
        const what = `Pod ${pod.metadata.name} in StatefulSet ${name}`;
        await record(set, 'update', what, () => client.update(PodResource, withIdentity(set, ordinalOf(pod), pod), { signal }));
        return;
      }
      if (step.why) {
        const state = step.why === 'RecreatingFailedPod' ? 'failed' : 'terminated';
        events.event(
          set,
          state === 'failed' ? 'Warning' : 'Normal',
          step.why,
          `StatefulSet ${keyOf(set)} is recreating ${state} Pod ${pod.metadata.name}`,
        );
      }
      await ownClaims(set, pod, signal);
      const options = { namespace, signal, preconditions: { uid: pod.metadata.uid } };
      await record(set, 'delete', `Pod ${pod.metadata.name} in StatefulSet ${name}`, () =>
        client.delete(PodResource, pod.metadata.name, options),
      );
    };

    const reconcile = async (key: string, signal: AbortSignal) => {
      const set = sets.lister.getByKey(key);
      if (!set) return {};
      const selector = selectorFromObject(set.spec.selector);
      const common = { client, owner: set, ownerResource: StatefulSetResource, selector, signal };
      const own = await claim({ ...common, informer: pods, adoptable: (pod) => isMember(set, pod) });
      const history = await syncHistory({ ...common, informer: revisionInformer, hashLabel: 'controller.kubernetes.io/hash' });
      const update = history.update.metadata.name;
      const known = history.revisions.some((r) => r.metadata.name === set.status?.currentRevision);
      const revisions: Revisions = { current: (known && set.status?.currentRevision) || update, update };
      let thrown: unknown;
      if (!set.metadata.deletionTimestamp) {
        measured.observed(set, updateBudget(set, own, clock.now()));
        const steps = planPods(set, revisions, own, clock.now());
        const results = await Promise.allSettled(steps.map((step) => take(set, step, history, signal)));
        thrown = results.find((r) => r.status === 'rejected' && !isNamespaceTerminating(r.reason));
        for (const pod of own) if (!pod.metadata.deletionTimestamp) await ownClaims(set, pod, signal);
      }
      const status = statefulSetStatus(set, revisions, own, clock.now());
      if (!semanticEqual(status, set.status)) await client.updateStatus(StatefulSetResource, { ...set, status }, { signal });
      if (thrown) throw (thrown as PromiseRejectedResult).reason;
      const live = new Set([update, revisions.current, ...own.flatMap((pod) => pod.metadata.labels?.[revisionLabel] ?? [])]);
      await trimHistory(client, set, history.revisions, live, signal);
      const wait = untilNextAvailable(own, set.spec.minReadySeconds ?? 0, clock.now());
      return wait === undefined ? {} : { requeueAfterMs: wait };
    };

    return { informers: [sets, pods, claims, revisionInformer], reconcile };
  },
);
