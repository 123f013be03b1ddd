/** Calls one admission webhook: AdmissionReview in its version, and an answer that is believed only as far as it is well formed. */
import { isJsonObject, parseExactly, type Status, StatusError } from '../../../api/index.ts';
import { traced } from '../../../observability/index.ts';
import type { Clock, Random } from '../../../time/index.ts';
import type { ExtensionMetrics, WebhookOutcome } from '../../metrics/extension-metrics.ts';
import { newUid } from '../../registry/identity.ts';
import type { AdmissionRequest } from '../../request.ts';
import { type WebhookClient, WebhookStatusError } from '../../webhook/index.ts';
import type { WebhookCredentialsByKind } from '../extension/context.ts';
import { reviewRequest } from '../extension/review-request.ts';
import type { VersionedRequest } from '../extension/versions.ts';
import { checkDryRun, failsClosed, type Hook } from './hooks.ts';

const unavailable = 503;

/** A call that failed, by whatever fault but the request's: the failure policy decides. */
export class CallError extends Error {
  override readonly name = 'CallError';

  /** What the webhook has answered, or what stands for no answer; for metrics. */
  readonly code: number;

  constructor(hook: Hook, why: string, code = unavailable) {
    super(`failed calling webhook ${JSON.stringify(hook.webhook.name)}: ${why}`);
    this.code = code;
  }
}

export interface HookAnswer {
  /** The JSON patch of a mutating webhook; undefined where it changes nothing. */
  patch: unknown[] | undefined;
}

type Fields = Record<string, unknown>;
const text = (value: unknown) => (typeof value === 'string' ? value : '');
const gvkOf = (apiVersion: string, kind: string) => `${apiVersion.includes('/') ? apiVersion : `/${apiVersion}`}, Kind=${kind}`;

/** The answer's response. Throws an Error that says what is wrong with it. */
function responseOf(answer: unknown, version: string, uid: string): Fields {
  if (!isJsonObject(answer)) throw new Error("couldn't get version/kind; json parse error: expected an object");
  const { response } = answer;
  if (!isJsonObject(response)) throw new Error('webhook response was absent');
  if (version !== 'v1') return response;
  if (response.uid !== uid) throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(text(response.uid))}`);
  const expected = gvkOf('admission.k8s.io/v1', 'AdmissionReview');
  const got = gvkOf(text(answer.apiVersion), text(answer.kind));
  if (got !== expected) throw new Error(`expected webhook response of ${expected}, got ${got}`);
  return response;
}

function patchOf(hook: Hook, response: Fields, version: string, isMutating: boolean): unknown[] | undefined {
  const given = text(response.patch);
  const type = response.patchType ?? undefined;
  if (version === 'v1' && !isMutating) {
    if (given !== '') throw new Error('validating webhook may not return response.patch');
    if (type !== undefined) throw new Error('validating webhook may not return response.patchType');
  }
  if (!isMutating) return undefined;
  if (version === 'v1') {
    if (given !== '' && type === undefined) throw new Error('webhook returned response.patch but not response.patchType');
    if (given === '' && type !== undefined) throw new Error('webhook returned response.patchType but not response.patch');
  }
  if (given === '') return undefined;
  // The older version's is never looked at.
  if (version !== 'v1') return decodedPatch(hook, given, 'JSONPatch');
  if (type === '') throw new Error('webhook returned invalid response.patchType of ""');
  return decodedPatch(hook, given, type);
}

function decodedPatch(hook: Hook, given: string, type: unknown): unknown[] | undefined {
  let patch: unknown;
  try {
    patch = parseExactly(Buffer.from(given, 'base64').toString('utf8'));
    if (!Array.isArray(patch) && patch !== null) throw new Error('json: cannot unmarshal object into Go value of type jsonpatch.Patch');
  } catch (error) {
    throw new CallError(hook, `received undecodable patch in webhook response: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!Array.isArray(patch) || patch.length === 0) return undefined;
  if (type !== 'JSONPatch') throw new CallError(hook, `unsupported patch type ${JSON.stringify(type)}`);
  return patch;
}

export interface CallContext {
  webhooks: WebhookClient;
  random: Random;
  clock: Clock;
  metrics?: ExtensionMetrics | undefined;
  webhookCredentials?: WebhookCredentialsByKind | undefined;
}

/** The refusal that a webhook has answered, always an error. */
function rejection({ webhook: { name } }: Hook, given: unknown): StatusError {
  const status: Partial<Status> = isJsonObject(given) ? given : {};
  const denied = `admission webhook ${JSON.stringify(name)} denied the request`;
  const why = text(status.message) || text(status.reason);
  const code = typeof status.code === 'number' && status.code >= 400 && status.code < 600 ? status.code : 400;
  const { details } = status;
  const refusal = new StatusError(
    code,
    text(status.reason),
    why === '' ? `${denied} without explanation` : `${denied}: ${why}`,
    isJsonObject(details) ? { ...details } : undefined,
  );
  refusals.add(refusal);
  return refusal;
}

/** The refusal that a webhook itself has answered. */
const refusals = new WeakSet<StatusError>();

/**
 * Calls a webhook and does something with what it answers (`take`). Throws CallError, the StatusError of a refusal, and what `take`
 * throws; measures what it does.
 */
export async function callHook<T>(
  context: CallContext,
  hook: Hook,
  request: AdmissionRequest,
  versioned: VersionedRequest,
  { isMutating, take }: { isMutating: boolean; take: (answer: HookAnswer) => T | Promise<T> },
): Promise<T> {
  const { clock, metrics } = context;
  const startedMs = clock.monotonic();
  const note = (outcome: Pick<WebhookOutcome, 'rejected' | 'code' | 'failure' | 'failedOpen'>) => {
    const milliseconds = clock.monotonic() - startedMs;
    request.waited?.(isMutating ? 'mutating-webhook' : 'validating-webhook', milliseconds);
    const type = isMutating ? 'admit' : 'validating';
    metrics?.webhook({ name: hook.webhook.name, type, operation: request.operation, seconds: milliseconds / 1000, ...outcome });
  };
  try {
    const attributes = () => ({
      configuration: hook.configuration,
      webhook: hook.webhook.name,
      resource: `${versioned.group}/${versioned.version}, Resource=${versioned.resource}`,
      subresource: request.subresource,
      operation: request.operation,
    });
    checkDryRun(hook, request);
    const taken = await traced(`Call ${isMutating ? 'mutating' : 'validating'} webhook`, attributes, async () =>
      take(await call(context, hook, request, versioned, isMutating)),
    );
    note({ rejected: false, code: 200 });
    return taken;
  } catch (error) {
    const failedOpen = error instanceof CallError && !failsClosed(hook);
    if (error instanceof CallError) note({ rejected: !failedOpen, code: error.code, failure: 'calling_webhook_error', failedOpen });
    else if (error instanceof StatusError && refusals.has(error)) note({ rejected: true, code: error.code, failure: 'no_error' });
    else note({ rejected: true, code: 0, failure: 'apiserver_internal_error' });
    throw error;
  }
}

async function call(
  { webhooks, random, clock, webhookCredentials }: CallContext,
  hook: Hook,
  request: AdmissionRequest,
  versioned: VersionedRequest,
  isMutating: boolean,
): Promise<HookAnswer> {
  const { webhook } = hook;
  const version = webhook.admissionReviewVersions?.find((v) => v === 'v1' || v === 'v1beta1');
  if (version === undefined) throw new CallError(hook, 'webhook does not accept known AdmissionReview versions (v1, v1beta1)');
  const uid = newUid(random);
  const { object = null, oldObject = null } = versioned;
  const review = {
    kind: 'AdmissionReview',
    apiVersion: `admission.k8s.io/${version}`,
    request: { uid, ...reviewRequest(request, versioned), object, oldObject },
  };
  let answer: unknown;
  const { lifetime } = request;
  const leftMs = (lifetime?.deadlineMs ?? Number.POSITIVE_INFINITY) - clock.monotonic();
  try {
    answer = await webhooks.post(webhook.clientConfig, review, {
      timeoutSeconds: Math.max(0, Math.min(webhook.timeoutSeconds ?? 10, leftMs / 1000)),
      sendTimeout: true,
      credentialsFor: webhookCredentials?.[isMutating ? 'mutating' : 'validating'],
      ...(lifetime ? { signal: lifetime.signal } : {}),
    });
  } catch (error) {
    const code = error instanceof WebhookStatusError ? error.code : unavailable;
    throw new CallError(hook, `failed to call webhook: ${error instanceof Error ? error.message : String(error)}`, code);
  }
  let response: Fields;
  let patch: unknown[] | undefined;
  try {
    response = responseOf(answer, version, uid);
    patch = patchOf(hook, response, version, isMutating);
  } catch (error) {
    if (error instanceof CallError) throw error;
    throw new CallError(hook, `received invalid webhook response: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (isJsonObject(response.auditAnnotations))
    for (const [key, value] of Object.entries(response.auditAnnotations)) request.auditAnnotation(`${webhook.name}/${key}`, String(value));
  if (Array.isArray(response.warnings)) for (const warning of response.warnings) request.warn(String(warning));
  if (response.allowed !== true) throw rejection(hook, response.status);
  return { patch };
}
