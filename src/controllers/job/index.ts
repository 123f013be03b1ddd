/** Jobs: pods that run until enough of them have succeeded. */
import type { Job, JobStatus, Pod } from '../../api/index.ts';
import { hasReason, isPodReady, Job as JobResource, Pod as PodResource, selectorFromObject, semanticEqual } from '../../api/index.ts';
import { controllerOf, controllerRef, keyOf } from '../../client/index.ts';
import { timestamp } from '../../time/index.ts';
import {
  claim,
  createExpectations,
  createPodControl,
  defineController,
  indexByController,
  isNamespaceTerminating,
  isPodActive,
  podFromTemplate,
  slowStart,
} from '../framework/index.ts';
import {
  type Account,
  account,
  hasLimitPerIndex,
  isIndexed,
  isTracked,
  liveCounts,
  type Settlement,
  settle,
  trackingFinalizer,
} from './account.ts';
import { type Failures, noFailures, withEnded } from './backoff.ts';
import { judgeFailure } from './failure-policy.ts';
import { failureAnnotations, formatIndexes, indexAnnotation } from './indexes.ts';
import { createJobMetrics, type SyncAction } from './metrics.ts';
import { deadlineMs, finishedCondition, jobCondition, judge, planJobPods, setCondition, type Verdict } from './plan.ts';

const ownManager = 'kubernetes.io/job-controller';
const isManagedByOthers = ({ spec }: Job): boolean => spec.managedBy !== undefined && spec.managedBy !== ownManager;
const orphanPrefix = 'orphan ';

export const jobController = defineController('job-controller', ({ client, clock, informers, recorder, metrics }, queue) => {
  const measured = createJobMetrics(metrics);
  const jobs = informers.for(JobResource);
  const pods = informers.for(PodResource);
  indexByController(pods);
  const events = recorder('job-controller');
  const expectations = createExpectations(clock);
  const known = (pod: Pod) => pods.lister.getByKey(keyOf(pod))?.metadata.uid === pod.metadata.uid;
  const control = createPodControl({ client, recorder: events, expectations, known });
  /** Pods whose finalizer was taken off, until the cache shows it. */
  const released = new Set<string>();
  /** By key of the Job, what has failed since the last success. */
  const failures = new Map<string, Failures>();

  const enqueueOwner = (pod: Pod): void => {
    const reference = controllerOf(pod);
    if (reference?.kind === 'Job') queue.add(keyOf({ metadata: { ...pod.metadata, name: reference.name } }));
    else if (!reference) {
      const adopting = jobs.lister
        .list(pod.metadata.namespace)
        .filter((j) => !j.metadata.deletionTimestamp && selectorFromObject(j.spec.selector).matches(pod.metadata.labels));
      if (!pod.metadata.deletionTimestamp) for (const j of adopting) queue.add(keyOf(j));
      // Nobody looks after it, and nobody else would let it go.
      if (isTracked(pod) && (pod.metadata.deletionTimestamp || adopting.length === 0)) queue.add(orphanPrefix + keyOf(pod));
    }
  };
  jobs.addHandler({
    add: (j) => {
      if (isManagedByOthers(j)) measured.managedBy(j.spec.managedBy ?? '');
      queue.add(keyOf(j));
    },
    update: (j) => queue.add(keyOf(j)),
    delete: (j) => {
      expectations.forget(keyOf(j));
      failures.delete(keyOf(j));
      queue.add(keyOf(j));
      // Its pods wait for somebody to take the finalizer off them.
      for (const pod of pods.lister.byIndex('controller-uid', j.metadata.uid)) enqueueOwner(pod);
    },
  });
  pods.addHandler({
    add(pod) {
      measured.seen(undefined, pod);
      expectations.observe('created', pod.metadata.uid);
      enqueueOwner(pod);
    },
    update(pod, previous) {
      measured.seen(previous, pod);
      if (pod.metadata.deletionTimestamp) expectations.observe('deleted', pod.metadata.uid);
      if (!isTracked(pod)) released.delete(pod.metadata.uid);
      if (controllerOf(previous)?.uid !== controllerOf(pod)?.uid) enqueueOwner(previous);
      enqueueOwner(pod);
    },
    delete(pod) {
      measured.seen(pod, undefined);
      expectations.observe('created', pod.metadata.uid);
      expectations.observe('deleted', pod.metadata.uid);
      released.delete(pod.metadata.uid);
      enqueueOwner(pod);
    },
  });

  const release = async (pod: Pod, signal: AbortSignal): Promise<void> => {
    const { name, namespace, uid } = pod.metadata;
    if (!isTracked(pod) || released.has(uid)) return;
    try {
      const patch = { metadata: { uid, '$deleteFromPrimitiveList/finalizers': [trackingFinalizer] } };
      await client.patch(PodResource, name, 'strategic', patch, { namespace, signal });
      const shown = pods.lister.getByKey(keyOf(pod));
      if (shown?.metadata.uid === uid && isTracked(shown)) released.add(uid);
    } catch (error) {
      if (!hasReason(error, 'NotFound') && !hasReason(error, 'Conflict')) throw error;
    }
  };

  const createPods = async (
    job: Job,
    { counts, terminating }: { counts: Account; terminating: number },
    indexes: readonly number[],
    signal: AbortSignal,
  ): Promise<void> => {
    const { failed } = counts;
    const draft = podFromTemplate(job.spec.template, job, controllerRef(job, JobResource));
    await slowStart(indexes.length, async (i) => {
      const index = indexes[i] ?? -1;
      const finalizers = [...(draft.metadata.finalizers ?? []), trackingFinalizer];
      const pod = { ...draft, metadata: { ...draft.metadata, finalizers } };
      const making = control.create(job, index < 0 ? pod : withIndex(job, counts, pod, index), signal);
      await making.catch((error: unknown) => {
        measured.created(job, { failed, terminating }, false);
        throw error;
      });
      measured.created(job, { failed, terminating }, true);
    });
  };

  /** Pods that are merely too many have not failed, and are let go of before they are counted. */
  const removePods = async (job: Job, remove: readonly Pod[], counted: boolean, signal: AbortSignal): Promise<void> => {
    const results = await Promise.allSettled(
      remove.map(async (pod) => {
        if (!counted) await release(pod, signal);
        await control.delete(job, pod, signal);
      }),
    );
    const failed = results.find((r) => r.status === 'rejected');
    if (failed) throw failed.reason;
  };

  const writeStatus = async (job: Job, status: JobStatus, signal: AbortSignal): Promise<Job> =>
    semanticEqual(status, job.status) ? job : client.updateStatus(JobResource, { ...job, status }, { signal });

  /** Events are sent when what they say is written. */
  type Note = () => void;

  const suspension = (job: Job, status: JobStatus, now: string): Note | undefined => {
    const suspend = job.spec.suspend ?? false;
    const [verb, reason, message] = suspend ? ['Suspended', 'JobSuspended', 'Job suspended'] : ['Resumed', 'JobResumed', 'Job resumed'];
    const conditions = [...(status.conditions ?? [])];
    if (!setCondition(conditions, jobCondition('Suspended', suspend ? 'True' : 'False', reason, message, now))) return undefined;
    status.conditions = conditions;
    if (suspend) delete status.startTime;
    else status.startTime = now;
    return () => events.event(job, 'Normal', verb, message);
  };

  /** First the intent, then, when no pod is left, the end. */
  const intend = (status: JobStatus, { type, reason, message }: Verdict, now: string): void => {
    const conditions = [...(status.conditions ?? [])];
    setCondition(conditions, jobCondition(type === 'Failed' ? 'FailureTarget' : 'SuccessCriteriaMet', 'True', reason, message, now));
    status.conditions = conditions;
  };

  const conclude = (job: Job, status: JobStatus, { type, reason, message }: Verdict, now: string): Note => {
    status.conditions = [...(status.conditions ?? []), jobCondition(type, 'True', reason, message, now)];
    if (type === 'Failed') {
      return () => {
        events.event(job, 'Warning', reason, message);
        measured.finished(job, type, reason);
      };
    }
    status.completionTime = now;
    return () => {
      measured.finished(job, type, reason);
      if (job.spec.completions !== undefined && (status.succeeded ?? 0) > job.spec.completions) {
        events.event(job, 'Warning', 'TooManySucceededPods', 'Too many succeeded pods running after completion count reached');
      }
      events.event(job, 'Normal', 'Completed', 'Job completed');
    };
  };

  const releaseAbandoned = async (key: string, seen: Job | undefined, signal: AbortSignal): Promise<void> => {
    const [namespace] = key.split('/');
    const left = pods.lister.list(namespace).filter((pod) => {
      const owner = controllerOf(pod);
      return owner?.kind === 'Job' && keyOf({ metadata: { ...pod.metadata, name: owner.name } }) === key;
    });
    for (const pod of left) if (!seen || pod.metadata.deletionTimestamp) await release(pod, signal);
  };

  const reconcile = async (key: string, signal: AbortSignal) => {
    if (key.startsWith(orphanPrefix)) {
      const pod = pods.lister.getByKey(key.slice(orphanPrefix.length));
      if (pod && !controllerOf(pod)) await release(pod, signal);
      return {};
    }
    const seen = jobs.lister.getByKey(key);
    if (!seen || seen.metadata.deletionTimestamp) {
      // What a Job leaves behind is not kept from going.
      await releaseAbandoned(key, seen, signal);
      return {};
    }
    if (isManagedByOthers(seen)) return {};
    if (finishedCondition(seen)) {
      failures.delete(key);
      for (const pod of pods.lister.byIndex('controller-uid', seen.metadata.uid)) await release(pod, signal);
      return {};
    }
    const startedMs = clock.monotonic();
    const outcome: { action: SyncAction } = { action: 'reconciling' };
    let ok = false;
    try {
      const result = await sync(seen, key, outcome, signal);
      ok = true;
      return result;
    } finally {
      measured.synced(seen, outcome.action, ok, (clock.monotonic() - startedMs) / 1000);
    }
  };

  const sync = async (seen: Job, key: string, outcome: { action: SyncAction }, signal: AbortSignal) => {
    const mayAct = expectations.satisfied(key);
    const selector = selectorFromObject(seen.spec.selector);
    const own = await claim({
      client,
      informer: pods,
      owner: seen,
      ownerResource: JobResource,
      selector,
      finalizer: trackingFinalizer,
      signal,
    });
    const now = timestamp(clock);
    const status: JobStatus = { ...seen.status };
    if (!seen.spec.suspend) status.startTime ??= now;
    const job: Job = { ...seen, status };

    // As of the same moment as the pods: what is let go of meanwhile is to be counted once all the same.
    const letGo = new Set(released);
    const counts = account(job, own, letGo);
    const record = withEnded(failures.get(key) ?? failuresSeen(own, counts), counts.newlySucceeded, counts.newlyFailed);
    let verdict = judge(job, own, counts, clock.now());
    const live = liveCounts(own);
    let waitMs: number | undefined;
    let thrown: unknown;
    let noteSuspension: Note | undefined;
    if (mayAct || verdict) {
      const plan = verdict ? { create: [], remove: own.filter(isPodActive) } : planJobPods(job, own, counts, record, clock.now());
      waitMs = 'waitMs' in plan ? plan.waitMs : undefined;
      outcome.action = plan.create.length > 0 ? 'pods_created' : plan.remove.length > 0 && !verdict ? 'pods_deleted' : 'tracking';
      try {
        await removePods(job, plan.remove, verdict !== undefined, signal);
        await createPods(job, { counts, terminating: live.terminating }, plan.create, signal);
        live.active += plan.create.length - plan.remove.length;
        live.ready -= plan.remove.filter(isPodReady).length;
        live.terminating += plan.remove.length;
      } catch (error) {
        if (!isNamespaceTerminating(error)) thrown = error;
      }
      if (!verdict) noteSuspension = suspension(job, status, now);
    }
    // The end is not declared while pods may be about that are not removed or not seen yet.
    if (thrown || !mayAct) verdict = undefined;

    // Put down, take the finalizers off, count: in this order nothing is lost or counted twice, whenever this is cut off.
    const settlement = settle(job, own, letGo, counts, verdict?.type);
    Object.assign(status, putDown(job, counts, settlement), { ready: live.ready, terminating: live.terminating, active: live.active });
    if (live.active === 0) delete status.active;
    if (verdict) intend(status, verdict, now);
    let written = await writeStatus(seen, status, signal);
    noteSuspension?.();
    if (settlement.release.length > 0) failures.set(key, record);
    await Promise.all(settlement.release.map((pod) => release(pod, signal)));

    const counted = countedStatus(job, written.status ?? status);
    const over = verdict && !settlement.more && live.active === 0 && live.terminating === 0;
    const noteEnd = over ? conclude(job, counted, verdict as Verdict, now) : undefined;
    written = await writeStatus(written, counted, signal);
    measured.counted(job, seen.status, written.status ?? counted);
    for (const pod of job.spec.podFailurePolicy ? settlement.release : []) {
      const { action, message } = judgeFailure(job, pod);
      if (counts.newlyFailed.includes(pod) && message) measured.handled(action);
    }
    noteEnd?.();
    if (thrown) throw thrown;
    const deadline = deadlineMs(written);
    const wait = Math.min(waitMs ?? Number.POSITIVE_INFINITY, deadline === undefined ? Number.POSITIVE_INFINITY : deadline - clock.now());
    return Number.isFinite(wait) && !verdict ? { requeueAfterMs: Math.max(0, wait) } : {};
  };

  return { informers: [jobs, pods], reconcile };
});

/** The failures that pods tell of which were counted before this process began. */
function failuresSeen(pods: readonly Pod[], { newlyFailed, newlySucceeded }: Account): Failures {
  const fresh = new Set([...newlyFailed, ...newlySucceeded]);
  const ended = pods.filter((pod) => !fresh.has(pod));
  const of = (phase: string) => ended.filter((pod) => pod.status?.phase === phase);
  return withEnded(noFailures, of('Succeeded'), of('Failed'));
}

/** What the status says of pods that have ended, before they are let go of. */
function putDown(job: Job, counts: Account, { succeeded, failed }: Settlement): JobStatus {
  return {
    ...(isIndexed(job) ? { completedIndexes: formatIndexes(counts.completed), succeeded: counts.completed.size } : {}),
    ...(hasLimitPerIndex(job) ? { failedIndexes: formatIndexes(counts.failedIndexes) } : {}),
    uncountedTerminatedPods: {
      ...(succeeded.size ? { succeeded: [...succeeded] } : {}),
      ...(failed.size ? { failed: [...failed] } : {}),
    },
  };
}

/** The status when all that was put down has been let go of. */
function countedStatus(job: Job, status: JobStatus): JobStatus {
  const { succeeded = [], failed = [] } = status.uncountedTerminatedPods ?? {};
  const next: JobStatus = { ...status, uncountedTerminatedPods: {} };
  if (!isIndexed(job) && succeeded.length > 0) next.succeeded = (status.succeeded ?? 0) + succeeded.length;
  if (failed.length > 0) next.failed = (status.failed ?? 0) + failed.length;
  return next;
}

/** A pod of an index knows it by label, annotation, hostname and environment. */
function withIndex<P extends ReturnType<typeof podFromTemplate>>(job: Job, counts: Account, pod: P, index: number): P {
  const env = {
    name: 'JOB_COMPLETION_INDEX',
    valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: `metadata.labels['${indexAnnotation}']` } },
  };
  const add = <C extends { env?: { name: string }[] }>(container: C): C =>
    container.env?.some((e) => e.name === env.name) ? container : { ...container, env: [...(container.env ?? []), env] };
  const text = String(index);
  const replaced = counts.awaitingReplacement.get(index);
  const annotations = {
    ...pod.metadata.annotations,
    [indexAnnotation]: text,
    ...(hasLimitPerIndex(job)
      ? failureAnnotations(replaced, replaced !== undefined && judgeFailure(job, replaced).action === 'Ignore')
      : {}),
  };
  const { initContainers } = pod.spec;
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      generateName: `${job.metadata.name}-${text}-`,
      annotations,
      labels: { ...pod.metadata.labels, [indexAnnotation]: text },
    },
    spec: {
      ...pod.spec,
      hostname: `${job.metadata.name}-${text}`,
      containers: pod.spec.containers.map(add),
      ...(initContainers ? { initContainers: initContainers.map(add) } : {}),
    },
  };
}
