/** CronJobs: a Job at each time that the schedule names. */
import { exponentialBuckets } from 'prom-client';
import type { CronJob, CronJobStatus, Job } from '../../api/index.ts';
import { CronJob as CronJobResource, hasReason, isTimeZone, Job as JobResource, semanticEqual } from '../../api/index.ts';
import { controllerOf, controllerRef, isControlledBy, keyOf, referenceTo } from '../../client/index.ts';
import { controlledBy, defineController, indexByController, isNamespaceTerminating, messageOf, timeOf } from '../framework/index.ts';
import { type Due, dueStart, isTooLate, jobNameFor, namesZone, parseSchedule, type Schedule, zonedTimestamp } from './schedule.ts';

const scheduledAnnotation = 'batch.kubernetes.io/cronjob-scheduled-timestamp';
/** As upstream, so that a start is not looked for before its second has come. */
const nextScheduleDeltaMs = 100;

const finishedType = (job: Job): string | undefined =>
  job.status?.conditions?.find((c) => (c.type === 'Complete' || c.type === 'Failed') && c.status === 'True')?.type;
const utc = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}Z`;

export const cronJobController = defineController('cronjob-controller', ({ client, clock, informers, recorder, metrics }, queue) => {
  const cronJobs = informers.for(CronJobResource);
  const jobs = informers.for(JobResource);
  indexByController(jobs);
  const events = recorder('cronjob-controller');
  const skew = metrics.histogram(
    'cronjob_controller_job_creation_skew_duration_seconds',
    'Time between when a cronjob is scheduled to be run, and when the corresponding job is created',
    [],
    exponentialBuckets(1, 2, 10),
  );

  const enqueueOwner = (job: Job): void => {
    const reference = controllerOf(job);
    if (reference?.kind === 'CronJob') queue.add(keyOf({ metadata: { ...job.metadata, name: reference.name } }));
  };
  cronJobs.addHandler({ add: (c) => queue.add(keyOf(c)), update: (c) => queue.add(keyOf(c)), delete: (c) => queue.add(keyOf(c)) });
  jobs.addHandler({ add: enqueueOwner, update: enqueueOwner, delete: enqueueOwner });

  const deleteJob = async (cronJob: CronJob, job: Job, signal: AbortSignal): Promise<void> => {
    const { name, namespace } = job.metadata;
    try {
      await client.delete(JobResource, name, { namespace, propagationPolicy: 'Background', signal });
      events.event(cronJob, 'Normal', 'SuccessfulDelete', `Deleted job ${name}`);
    } catch (error) {
      if (hasReason(error, 'NotFound')) return;
      events.event(cronJob, 'Warning', 'FailedDelete', `Deleted job: ${messageOf(error)}`);
      throw error;
    }
  };

  const trimHistory = async (cronJob: CronJob, own: readonly Job[], signal: AbortSignal): Promise<void> => {
    const { successfulJobsHistoryLimit = 3, failedJobsHistoryLimit = 1 } = cronJob.spec;
    for (const [type, limit] of [
      ['Complete', successfulJobsHistoryLimit],
      ['Failed', failedJobsHistoryLimit],
    ] as const) {
      const finished = own.filter((job) => finishedType(job) === type && !job.metadata.deletionTimestamp);
      finished.sort(
        (a, b) => timeOf(a.status?.startTime ?? a.metadata.creationTimestamp) - timeOf(b.status?.startTime ?? b.metadata.creationTimestamp),
      );
      for (const job of finished.slice(0, Math.max(0, finished.length - limit))) await deleteJob(cronJob, job, signal);
    }
  };

  /** Makes the active list true: drops what has ended or gone. */
  const syncActive = (cronJob: CronJob, own: readonly Job[]): CronJobStatus => {
    const status: CronJobStatus = { ...cronJob.status };
    let active = [...(status.active ?? [])];
    for (const job of own) {
      const listed = active.some((r) => r.uid === job.metadata.uid);
      const finished = finishedType(job);
      if (!finished) {
        // Somebody has made it in this name by hand, and it counts for nothing.
        if (!listed) {
          const message = `Saw a job that the controller did not create or forgot: ${job.metadata.name}`;
          events.event(cronJob, 'Warning', 'UnexpectedJob', message);
        }
        continue;
      }
      if (listed) {
        active = active.filter((r) => r.uid !== job.metadata.uid);
        events.event(cronJob, 'Normal', 'SawCompletedJob', `Saw completed job: ${job.metadata.name}, condition: ${finished}`);
      }
      const completed = job.status?.completionTime;
      if (finished === 'Complete' && completed && !(timeOf(status.lastSuccessfulTime) >= timeOf(completed)))
        status.lastSuccessfulTime = completed;
    }
    for (const reference of active) {
      if (own.some((job) => job.metadata.uid === reference.uid) || jobs.lister.get(reference.name ?? '', cronJob.metadata.namespace))
        continue;
      // One that was just made may not be in the cache yet; its name tells how old it is.
      const minutes = Number(/-(\d+)$/.exec(reference.name ?? '')?.[1]);
      if (minutes * 60_000 > clock.now() - 60_000) continue;
      events.event(cronJob, 'Normal', 'MissingJob', `Active job went missing: ${reference.name}`);
      active = active.filter((r) => r.uid !== reference.uid);
    }
    if (active.length > 0) status.active = active;
    else delete status.active;
    return status;
  };

  const startJob = async (cronJob: CronJob, startMs: number, signal: AbortSignal): Promise<Job | undefined> => {
    const { jobTemplate, timeZone } = cronJob.spec;
    const { namespace } = cronJob.metadata;
    const name = jobNameFor(cronJob, startMs);
    const metadata = {
      name,
      ...(namespace ? { namespace } : {}),
      ...(jobTemplate.metadata?.labels ? { labels: jobTemplate.metadata.labels } : {}),
      annotations: { ...jobTemplate.metadata?.annotations, [scheduledAnnotation]: zonedTimestamp(startMs, timeZone) },
      ownerReferences: [controllerRef(cronJob, CronJobResource)],
    };
    try {
      const job = await client.create(
        JobResource,
        { apiVersion: 'batch/v1', kind: 'Job', metadata, spec: jobTemplate.spec },
        { namespace, signal },
      );
      skew({}, (timeOf(job.metadata.creationTimestamp) - startMs) / 1000);
      events.event(cronJob, 'Normal', 'SuccessfulCreate', `Created job ${name}`);
      return job;
    } catch (error) {
      if (isNamespaceTerminating(error)) return undefined;
      if (hasReason(error, 'AlreadyExists')) {
        // Made by an earlier try that could not put it down.
        const existing = await client.get(JobResource, name, { namespace, signal });
        return isControlledBy(existing, cronJob) ? existing : undefined;
      }
      events.event(cronJob, 'Warning', 'FailedCreate', `Error creating job: ${messageOf(error)}`);
      throw error;
    }
  };

  /** Undefined where nothing is due, now or later; events say what is wrong. */
  const dueOf = (cronJob: CronJob, now: number): Due | undefined => {
    const { schedule, timeZone, suspend } = cronJob.spec;
    const warn = (reason: string, message: string) => events.event(cronJob, 'Warning', reason, message);
    if (timeZone !== undefined && !isTimeZone(timeZone)) {
      warn('UnknownTimeZone', `invalid timeZone: ${JSON.stringify(timeZone)}: unknown time zone ${timeZone}`);
      return undefined;
    }
    if (suspend) return undefined;
    const quoted = JSON.stringify(schedule);
    if (namesZone(schedule)) {
      const docs = 'https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/';
      warn('UnsupportedSchedule', `CRON_TZ or TZ used in schedule ${quoted} is not officially supported, see ${docs} for more details`);
    }
    let parsed: Schedule;
    try {
      parsed = parseSchedule(cronJob.spec);
    } catch (error) {
      warn('UnparseableSchedule', `unparseable schedule: ${quoted} : ${messageOf(error)}`);
      return undefined;
    }
    try {
      return dueStart(cronJob, parsed, now);
    } catch (error) {
      warn('InvalidSchedule', `invalid schedule: ${schedule} : ${messageOf(error)}`);
      return undefined;
    }
  };

  const reconcile = async (key: string, signal: AbortSignal) => {
    let cronJob = cronJobs.lister.getByKey(key);
    if (!cronJob) return {};
    const own = controlledBy(jobs, cronJob);
    // A Job that was just made is often seen before the status that lists it.
    if (own.some((job) => !finishedType(job) && !cronJob?.status?.active?.some((r) => r.uid === job.metadata.uid)))
      cronJob = await client.get(CronJobResource, cronJob.metadata.name, { namespace: cronJob.metadata.namespace, signal });
    await trimHistory(cronJob, own, signal);
    let status = syncActive(cronJob, own);
    const write = async (current: CronJob): Promise<CronJob> =>
      semanticEqual(status, current.status) ? current : client.updateStatus(CronJobResource, { ...current, status }, { signal });
    const now = clock.now();
    const due = cronJob.metadata.deletionTimestamp ? undefined : dueOf(cronJob, now);
    if (!due) {
      await write(cronJob);
      return {};
    }
    const requeue = due.nextMs === undefined ? {} : { requeueAfterMs: due.nextMs - now + nextScheduleDeltaMs };
    const { startMs } = due;
    cronJob = await write(cronJob);
    if (due.tooManyMissed) {
      const advice = 'too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew';
      events.event(cronJob, 'Warning', 'TooManyMissedTimes', advice);
    }
    if (startMs === undefined) return requeue;
    if (isTooLate(cronJob, startMs, now)) {
      events.event(
        cronJob,
        'Warning',
        'MissSchedule',
        `Missed scheduled time to start a job: ${new Date(startMs).toUTCString().replace('GMT', '+0000')}`,
      );
      return requeue;
    }
    const name = jobNameFor(cronJob, startMs);
    if (cronJob.status?.lastScheduleTime === utc(startMs)) return requeue;
    if (status.active?.some((r) => r.name === name)) {
      // Started by an earlier try that could not put it down.
      status = { ...status, lastScheduleTime: utc(startMs) };
      await write(cronJob);
      return requeue;
    }
    if (cronJob.spec.concurrencyPolicy === 'Forbid' && (status.active?.length ?? 0) > 0) {
      events.event(
        cronJob,
        'Normal',
        'JobAlreadyActive',
        'Not starting job because prior execution is running and concurrency policy is Forbid',
      );
      return requeue;
    }
    if (cronJob.spec.concurrencyPolicy === 'Replace') {
      for (const reference of status.active ?? []) {
        const job = jobs.lister.get(reference.name ?? '', cronJob.metadata.namespace);
        if (job) await deleteJob(cronJob, job, signal);
      }
      const { active: _, ...rest } = status;
      status = rest;
    }
    const started = await startJob(cronJob, startMs, signal);
    if (!started) return {};
    status = { ...status, active: [...(status.active ?? []), referenceTo(started)], lastScheduleTime: utc(startMs) };
    await write(cronJob);
    return requeue;
  };

  return { informers: [cronJobs, jobs], reconcile };
});
