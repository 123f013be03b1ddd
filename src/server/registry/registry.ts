/** What the verbs of the generic registry stand on. */
import { type FieldErrors, groupResourceOf, type KubeObject, type Resource } from '../../api/index.ts';
import type { Clock, Random } from '../../time/index.ts';
import type { RequestContext } from '../exchange.ts';
import type { AdmissionMetrics } from '../metrics/admission-metrics.ts';
import type { AdmissionOperation, AdmissionPlugin, AdmissionRequest, FinishWrite, WriteHook } from '../request.ts';
import type { ResourceTable } from './served-resource.ts';

export interface Registry {
  readonly clock: Clock;
  readonly random: Random;
  /** In order; all mutate before any validates. */
  readonly admission: readonly AdmissionPlugin[];
  readonly admissionMetrics: AdmissionMetrics;
  readonly table: ResourceTable;
  /** A watch without timeoutSeconds ends after this to twice this (--min-request-timeout). Default 1800. */
  readonly minRequestTimeoutSeconds?: number | undefined;
  /** By resource (`services`, `deployments.apps`): what reserves around writes of the object itself. */
  readonly hooks?: ReadonlyMap<string, WriteHook>;
}

/** Reserves what the write needs, where its kind has a hook. Whoever calls must call the answer once the write is done. */
export async function beginWrite(
  registry: Registry,
  resource: Resource,
  write: { next: KubeObject; prev: KubeObject | undefined; dryRun: boolean; problems: FieldErrors },
): Promise<FinishWrite | undefined> {
  return registry.hooks?.get(groupResourceOf(resource))?.begin(write);
}

/** The admission request of a write, for the resource and name that the request's path says. */
export function admissionRequest(
  context: RequestContext,
  kind: Resource,
  operation: AdmissionOperation,
  given: { name: string; object: KubeObject | undefined; oldObject: KubeObject | undefined; options: object; dryRun: boolean },
): AdmissionRequest {
  const { info } = context;
  return {
    operation,
    user: context.user,
    group: info.apiGroup,
    version: info.apiVersion,
    resource: info.resource,
    kind: kind.kind,
    kindGroup: kind.group,
    kindVersion: kind.version,
    subresource: info.subresource,
    namespace: info.namespace,
    ...given,
    options: { ...given.options },
    warn: (message) => context.warn(message),
    auditAnnotation: (key, value) => context.auditAnnotation(key, value),
    waited: (milliseconds) => {
      context.elsewhereMs = (context.elsewhereMs ?? 0) + milliseconds;
    },
    reinvocation: { wanted: false, isReinvocation: false },
  };
}

/** Written without a function for each plugin: every write passes here. */
async function admitOnce({ admission, admissionMetrics }: Registry, request: AdmissionRequest): Promise<void> {
  for (const plugin of admission) {
    if (plugin.admit === undefined || !plugin.handles(request)) continue;
    const startedMs = admissionMetrics.now();
    let rejected = true;
    try {
      const done = plugin.admit(request);
      if (done !== undefined) await done;
      rejected = false;
    } finally {
      admissionMetrics.note(plugin.name, 'admit', request, startedMs, rejected);
    }
  }
}

/** Runs the mutating plugins; once more where a webhook or policy has changed what those before it have seen. */
export async function admitMutating(registry: Registry, request: AdmissionRequest): Promise<void> {
  const { admissionMetrics } = registry;
  const startedMs = admissionMetrics.now();
  let rejected = true;
  try {
    await admitOnce(registry, request);
    if (request.reinvocation.wanted) {
      request.reinvocation.isReinvocation = true;
      await admitOnce(registry, request);
    }
    rejected = false;
  } finally {
    admissionMetrics.note(undefined, 'admit', request, startedMs, rejected);
  }
}

export async function admitValidating({ admission, admissionMetrics }: Registry, request: AdmissionRequest): Promise<void> {
  const startedMs = admissionMetrics.now();
  let rejected = true;
  try {
    for (const plugin of admission) {
      if (plugin.validate === undefined || !plugin.handles(request)) continue;
      const pluginStartedMs = admissionMetrics.now();
      let refused = true;
      try {
        const done = plugin.validate(request);
        if (done !== undefined) await done;
        refused = false;
      } finally {
        admissionMetrics.note(plugin.name, 'validate', request, pluginStartedMs, refused);
      }
    }
    rejected = false;
  } finally {
    admissionMetrics.note(undefined, 'validate', request, startedMs, rejected);
  }
}
