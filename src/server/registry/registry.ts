/** What the verbs of the generic registry stand on. */
import {
  type FieldErrors,
  groupResourceOf,
  type KubeObject,
  managedFieldsProblem,
  type ObjectMeta,
  type Resource,
} from '../../api/index.ts';
import type { Clock, Random } from '../../time/index.ts';
import type { RequestContext } from '../exchange.ts';
import type { AdmissionMetrics, AdmissionType } from '../metrics/admission-metrics.ts';
import type { AdmissionOperation, AdmissionPlugin, AdmissionRequest, Authorizer, FinishWrite, WriteHook } from '../request.ts';
import type { ResourceTable } from './served-resource.ts';

export interface Registry {
  readonly clock: Clock;
  readonly random: Random;
  /** In order; all mutate before any validates. */
  readonly admission: readonly AdmissionPlugin[];
  readonly admissionMetrics: AdmissionMetrics;
  readonly table: ResourceTable;
  /** Who may create by a PUT or a PATCH: the request itself has been allowed. */
  readonly authorizer: Authorizer;
  /** Whether a feature gate is on (--feature-gates); default: all are, and no field is dropped. */
  readonly isEnabled?: ((gate: string) => boolean) | undefined;
  /** A watch without timeoutSeconds ends after this to twice this (--min-request-timeout). Default 1800. */
  readonly minRequestTimeoutSeconds?: number | undefined;
  /** How many of a collection are deleted at a time (--delete-collection-workers). Default 1. */
  readonly deleteCollectionWorkers?: number | undefined;
  /** By resource (`services`, `deployments.apps`, `deployments.apps/status`): what reserves around writes of the object, or of a subresource. */
  readonly hooks?: ReadonlyMap<string, WriteHook>;
}

/** Reserves what the write needs, where its kind has a hook. Whoever calls must call the answer once the write is done. */
export function beginWrite(
  registry: Registry,
  resource: Resource,
  write: { next: KubeObject; prev: KubeObject | undefined; dryRun: boolean; problems: FieldErrors },
  subresource = '',
): FinishWrite | undefined | Promise<FinishWrite | undefined> {
  const name = groupResourceOf(resource);
  return registry.hooks?.get(subresource === '' ? name : `${name}/${subresource}`)?.begin(write);
}

/** The admission request of a write, for the resource and name that the request's path says. */
export function admissionRequest(
  context: RequestContext,
  kind: Resource,
  operation: AdmissionOperation,
  given: { name: string; object: KubeObject | undefined; oldObject: KubeObject | undefined; options: object; dryRun: boolean },
): AdmissionRequest {
  const { info } = context;
  // A namespace is in itself, also when it is not yet in the path.
  const isNewNamespace = operation === 'CREATE' && info.resource === 'namespaces' && info.apiGroup === '';
  return {
    operation,
    verb: info.verb,
    user: context.user,
    group: info.apiGroup,
    version: info.apiVersion,
    resource: info.resource,
    kind: kind.kind,
    kindGroup: kind.group,
    kindVersion: kind.version,
    subresource: info.subresource,
    namespace: info.namespace || (isNewNamespace ? given.name : ''),
    ...given,
    options: { ...given.options },
    warn: (message) => context.warn(message),
    auditAnnotation: (key, value, of) => context.auditAnnotation(key, value, of),
    lifetime: context,
    waited: (layer, milliseconds) => context.latencies?.add(layer, milliseconds),
    reinvocation: { wanted: false, isReinvocation: false },
  };
}

/**
 * Runs the plugins of a step from one on, each timed from the end of the one before. What most of them do needs no waiting, and every
 * write passes here: a promise only where one has to be waited for. Answers when it ended.
 */
function runPlugins(
  registry: Registry,
  type: AdmissionType,
  request: AdmissionRequest,
  startedMs: number,
  from = 0,
): number | Promise<number> {
  const { admission, admissionMetrics } = registry;
  let beganMs = startedMs;
  for (let i = from; i < admission.length; i++) {
    const plugin = admission[i];
    if (plugin?.[type] === undefined || !plugin.handles(request)) continue;
    let done: Promise<void> | undefined;
    try {
      done = plugin[type](request) as Promise<void> | undefined; // what returns nothing returns undefined
    } catch (error) {
      admissionMetrics.note(plugin.name, type, request, beganMs, true);
      throw error;
    }
    // In a function of its own: one here would make garbage of each turn.
    if (done !== undefined) return runPluginsAfter(done, registry, type, request, beganMs, i);
    beganMs = admissionMetrics.note(plugin.name, type, request, beganMs, false);
  }
  return beganMs;
}

/** Waits for a plugin, then runs those after it. */
async function runPluginsAfter(
  done: Promise<void>,
  registry: Registry,
  type: AdmissionType,
  request: AdmissionRequest,
  beganMs: number,
  at: number,
): Promise<number> {
  const name = registry.admission[at]?.name;
  try {
    await done;
  } catch (error) {
    registry.admissionMetrics.note(name, type, request, beganMs, true);
    throw error;
  }
  return runPlugins(registry, type, request, registry.admissionMetrics.note(name, type, request, beganMs, false), at + 1);
}

const wantsMore = (type: AdmissionType, { reinvocation }: AdmissionRequest) => type === 'admit' && reinvocation.wanted;

function admitted(registry: Registry, type: AdmissionType, request: AdmissionRequest): void | Promise<void> {
  const { admissionMetrics } = registry;
  const startedMs = admissionMetrics.now();
  let done: number | Promise<number>;
  try {
    done = runPlugins(registry, type, request, startedMs);
  } catch (error) {
    admissionMetrics.note(undefined, type, request, startedMs, true);
    throw error;
  }
  if (typeof done !== 'number' || wantsMore(type, request)) return waitAdmitted(registry, type, request, startedMs, done);
  admissionMetrics.note(undefined, type, request, startedMs, false);
}

async function waitAdmitted(
  registry: Registry,
  type: AdmissionType,
  request: AdmissionRequest,
  startedMs: number,
  done: number | Promise<number>,
): Promise<void> {
  let rejected = true;
  try {
    const endedMs = await done;
    if (wantsMore(type, request)) {
      request.reinvocation.isReinvocation = true;
      await runPlugins(registry, type, request, endedMs);
    }
    rejected = false;
  } finally {
    registry.admissionMetrics.note(undefined, type, request, startedMs, rejected);
  }
}

/**
 * Runs the mutating plugins; once more where a webhook or policy has changed what those before it have seen. A promise only where
 * something has to be waited for; a refusal may come as either.
 */
export function admitMutating(registry: Registry, request: AdmissionRequest): void | Promise<void> {
  const before = request.object?.metadata?.managedFields;
  const done = admitted(registry, 'admit', request);
  if (done === undefined) keepValidFields(request, before);
  else return done.then(() => keepValidFields(request, before));
}

/** Where admission has made of an object's managedFields what can't be read, they are as they were. */
function keepValidFields(request: AdmissionRequest, before: ObjectMeta['managedFields']): void {
  const metadata = request.object?.metadata;
  if (!metadata || metadata.managedFields === before) return;
  const problem = managedFieldsProblem(metadata.managedFields);
  if (problem === undefined) return;
  if (before === undefined) delete metadata.managedFields;
  else metadata.managedFields = before;
  request.warn(
    `.metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating admission controller; please fix your requests: ${problem}`,
  );
}

/** The same for the validating ones. */
export const admitValidating = (registry: Registry, request: AdmissionRequest): void | Promise<void> =>
  admitted(registry, 'validate', request);
