/** Jobs: pods that run until enough of them have succeeded. */
import type { Job, JobStatus, Pod } from '../../api/index.ts';
import { hasReason, Job as JobResource, Pod as PodResource, selectorFromObject, semanticEqual } from '../../api/index.ts';
import { controllerOf, controllerRef, keyOf } from '../../client/index.ts';
import { timestamp } from '../../time/index.ts';
import {
  claim,
  conditionOf,
  createExpectations,
  createPodControl,
  defineController,
  indexByController,
  isNamespaceTerminating,
  isPodActive,
  podFromTemplate,
  slowStart,
  withoutCondition,
} from '../framework/index.ts';
import { formatIndexes, indexAnnotation, indexFailuresAnnotation } from './indexes.ts';
import {
  type Account,
  account,
  deadlineMs,
  finishedCondition,
  indexFailures,
  isIndexed,
  jobCondition,
  judge,
  liveCounts,
  planJobPods,
  trackingFinalizer,
  type Verdict,
} from './plan.ts';

const ownManager = 'kubernetes.io/job-controller';

export const jobController = defineController('job-controller', ({ client, clock, informers, recorder }, queue) => {
  const jobs = informers.for(JobResource);
  const pods = informers.for(PodResource);
  indexByController(pods);
  const events = recorder('job-controller');
  const expectations = createExpectations(clock);
  const known = (pod: Pod) => pods.lister.getByKey(keyOf(pod))?.metadata.uid === pod.metadata.uid;
  const control = createPodControl({ client, recorder: events, expectations, known });
  /** Pods whose finalizer was taken off, until the cache shows it. */
  const released = new Set<string>();

  const enqueueOwner = (pod: Pod): void => {
    const reference = controllerOf(pod);
    if (reference?.kind === 'Job') queue.add(keyOf({ metadata: { ...pod.metadata, name: reference.name } }));
    else if (!reference && !pod.metadata.deletionTimestamp) {
      for (const j of jobs.lister.list(pod.metadata.namespace))
        if (selectorFromObject(j.spec.selector).matches(pod.metadata.labels)) queue.add(keyOf(j));
    }
  };
  jobs.addHandler({
    add: (j) => queue.add(keyOf(j)),
    update: (j) => queue.add(keyOf(j)),
    delete: (j) => {
      expectations.forget(keyOf(j));
      queue.add(keyOf(j));
      // Its pods wait for somebody to take the finalizer off them.
      for (const pod of pods.lister.byIndex('controller-uid', j.metadata.uid)) enqueueOwner(pod);
    },
  });
  pods.addHandler({
    add(pod) {
      expectations.observe('created', pod.metadata.uid);
      enqueueOwner(pod);
    },
    update(pod, previous) {
      if (pod.metadata.deletionTimestamp) expectations.observe('deleted', pod.metadata.uid);
      if (!pod.metadata.finalizers?.includes(trackingFinalizer)) released.delete(pod.metadata.uid);
      if (controllerOf(previous)?.uid !== controllerOf(pod)?.uid) enqueueOwner(previous);
      enqueueOwner(pod);
    },
    delete(pod) {
      expectations.observe('created', pod.metadata.uid);
      expectations.observe('deleted', pod.metadata.uid);
      released.delete(pod.metadata.uid);
      enqueueOwner(pod);
    },
  });

  const release = async (pod: Pod, signal: AbortSignal): Promise<void> => {
    const { name, namespace, uid, finalizers } = pod.metadata;
    if (!finalizers?.includes(trackingFinalizer) || released.has(uid)) return;
    try {
      const patch = { metadata: { uid, '$deleteFromPrimitiveList/finalizers': [trackingFinalizer] } };
      await client.patch(PodResource, name, 'strategic', patch, { namespace, signal });
      const shown = pods.lister.getByKey(keyOf(pod));
      if (shown?.metadata.uid === uid && shown.metadata.finalizers?.includes(trackingFinalizer)) released.add(uid);
    } catch (error) {
      if (!hasReason(error, 'NotFound') && !hasReason(error, 'Conflict')) throw error;
    }
  };

  const createPods = async (job: Job, own: readonly Pod[], indexes: readonly number[], signal: AbortSignal): Promise<void> => {
    const draft = podFromTemplate(job.spec.template, job, controllerRef(job, JobResource));
    await slowStart(indexes.length, async (i) => {
      const index = indexes[i] ?? -1;
      const finalizers = [...(draft.metadata.finalizers ?? []), trackingFinalizer];
      const pod = { ...draft, metadata: { ...draft.metadata, finalizers } };
      await control.create(job, index < 0 ? pod : withIndex(job, own, pod, index), signal);
    });
  };

  /** The status after accounting, before what it says of conditions. */
  const accountedStatus = (job: Job, counts: Account): JobStatus => {
    const uncounted = { succeeded: [...counts.uncountedSucceeded], failed: [...counts.uncountedFailed] };
    const indexed = isIndexed(job);
    return {
      ...job.status,
      ...(indexed && counts.completed.size ? { completedIndexes: formatIndexes(counts.completed) } : {}),
      ...(indexed && job.spec.backoffLimitPerIndex !== undefined ? { failedIndexes: formatIndexes(counts.failedIndexes) } : {}),
      uncountedTerminatedPods: {
        ...(uncounted.succeeded.length ? { succeeded: uncounted.succeeded } : {}),
        ...(uncounted.failed.length ? { failed: uncounted.failed } : {}),
      },
    };
  };

  const writeStatus = async (job: Job, status: JobStatus, signal: AbortSignal): Promise<Job> =>
    semanticEqual(status, job.status) ? job : client.updateStatus(JobResource, { ...job, status }, { signal });

  const suspension = (job: Job, status: JobStatus, now: string): void => {
    const present = conditionOf(status.conditions, 'Suspended');
    const suspend = job.spec.suspend ?? false;
    if (suspend === (present?.status === 'True')) return;
    if (!suspend && !present) return;
    const [verb, reason, message] = suspend ? ['Suspended', 'JobSuspended', 'Job suspended'] : ['Resumed', 'JobResumed', 'Job resumed'];
    status.conditions = [
      ...withoutCondition(status.conditions, 'Suspended'),
      jobCondition('Suspended', suspend ? 'True' : 'False', reason, message, now),
    ];
    if (suspend) delete status.startTime;
    else status.startTime = now;
    events.event(job, 'Normal', verb, message);
  };

  /** First the intent, then, when no pod is left, the end. */
  const conclude = (job: Job, status: JobStatus, verdict: Verdict, now: string): void => {
    const intent = verdict.type === 'Failed' ? 'FailureTarget' : 'SuccessCriteriaMet';
    const add = (type: string) => {
      if (!conditionOf(status.conditions, type))
        status.conditions = [...(status.conditions ?? []), jobCondition(type, 'True', verdict.reason, verdict.message, now)];
    };
    add(intent);
    if ((status.active ?? 0) > 0 || (status.terminating ?? 0) > 0) return;
    add(verdict.type);
    if (verdict.type === 'Complete') {
      status.completionTime = now;
      events.event(job, 'Normal', 'Completed', 'Job completed');
    } else events.event(job, 'Warning', verdict.reason, verdict.message);
  };

  const reconcile = async (key: string, signal: AbortSignal) => {
    const seen = jobs.lister.getByKey(key);
    if (!seen || seen.metadata.deletionTimestamp) {
      // What a Job leaves behind is not kept from going.
      const [namespace] = key.split('/');
      const left = pods.lister.list(namespace).filter((pod) => {
        const owner = controllerOf(pod);
        return owner?.kind === 'Job' && keyOf({ metadata: { ...pod.metadata, name: owner.name } }) === key;
      });
      for (const pod of left) if (!seen || pod.metadata.deletionTimestamp) await release(pod, signal);
      return {};
    }
    if (seen.spec.managedBy && seen.spec.managedBy !== ownManager) return {};
    if (finishedCondition(seen)) {
      for (const pod of pods.lister.byIndex('controller-uid', seen.metadata.uid)) await release(pod, signal);
      return {};
    }
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
    let job = seen;
    if (!job.spec.suspend && !job.status?.startTime) job = await writeStatus(job, { ...job.status, startTime: now }, signal);

    const counts = account(job, own, released);
    const verdict = judge(job, own, counts, clock.now());
    let live = liveCounts(own);
    let waitMs: number | undefined;
    let thrown: unknown;
    if (mayAct) {
      const plan = verdict ? { create: [], remove: own.filter(isPodActive) } : planJobPods(job, own, counts, clock.now());
      waitMs = 'waitMs' in plan ? plan.waitMs : undefined;
      try {
        for (const pod of plan.remove) {
          // Pods that are merely too many have not failed, and are not to be counted.
          if (!verdict) await release(pod, signal);
          await control.delete(job, pod, signal);
        }
        await createPods(job, own, plan.create, signal);
        live = {
          ...live,
          active: live.active - plan.remove.length + plan.create.length,
          terminating: live.terminating + plan.remove.length,
        };
      } catch (error) {
        if (!isNamespaceTerminating(error)) thrown = error;
      }
    }

    // Put down, take the finalizers off, count: in this order nothing is lost or counted twice, whenever this is cut off.
    if (counts.release.length > 0) {
      job = await writeStatus(job, accountedStatus(job, counts), signal);
      for (const pod of counts.release) await release(pod, signal);
    }
    const status: JobStatus = { ...accountedStatus(job, counts), uncountedTerminatedPods: {} };
    for (const name of ['active', 'ready', 'terminating'] as const) status[name] = live[name];
    if (live.active === 0) delete status.active;
    if (counts.succeeded > 0) status.succeeded = counts.succeeded;
    if (counts.failed > 0) status.failed = counts.failed;
    suspension(job, status, now);
    if (verdict) conclude(job, status, verdict, now);
    await writeStatus(job, status, signal);
    if (thrown) throw thrown;
    const deadline = deadlineMs({ ...job, status });
    const wait = Math.min(waitMs ?? Number.POSITIVE_INFINITY, deadline === undefined ? Number.POSITIVE_INFINITY : deadline - clock.now());
    return Number.isFinite(wait) && !verdict ? { requeueAfterMs: Math.max(0, wait) } : {};
  };

  return { informers: [jobs, pods], reconcile };
});

/** A pod of an index knows it by label, annotation, hostname and environment. */
function withIndex<P extends ReturnType<typeof podFromTemplate>>(job: Job, own: readonly Pod[], pod: P, index: number): P {
  const env = {
    name: 'JOB_COMPLETION_INDEX',
    valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: `metadata.labels['${indexAnnotation}']` } },
  };
  const add = <C extends { env?: { name: string }[] }>(container: C): C =>
    container.env?.some((e) => e.name === env.name) ? container : { ...container, env: [...(container.env ?? []), env] };
  const text = String(index);
  const annotations = {
    ...pod.metadata.annotations,
    [indexAnnotation]: text,
    ...(job.spec.backoffLimitPerIndex === undefined ? {} : { [indexFailuresAnnotation]: String(indexFailures(own, job, index)) }),
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
