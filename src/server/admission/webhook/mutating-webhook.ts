import {
  applyJsonPatch,
  deepEqual,
  errors,
  isJsonObject,
  type KubeObject,
  MutatingWebhookConfiguration,
  PatchError,
} from '../../../api/index.ts';
import type { ServedResource } from '../../registry/served-resource.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../../request.ts';
import type { ExtensionContext } from '../extension/context.ts';
import { isExempt } from '../extension/matching.ts';
import { Rounds } from '../extension/rounds.ts';
import { inVersion, takeMutation, type VersionedRequest } from '../extension/versions.ts';
import { CallError, callHook, type HookAnswer } from './call.ts';
import { failsClosed, followHooks, type Hook, matchHook } from './hooks.ts';

/** What a patch makes of the object as it was shown. Throws InternalError. */
function patched({ webhook: { name } }: Hook, { object }: VersionedRequest, patch: unknown[]): KubeObject {
  if (!object)
    throw errors.internal(
      `admission webhook ${JSON.stringify(name)} attempted to modify the object, which is not supported for this operation`,
    );
  try {
    // A patched object is one; whether it is still of its kind is found out when it is decoded.
    return applyJsonPatch(object, patch) as KubeObject;
  } catch (error) {
    if (error instanceof PatchError) throw errors.internal(error.message);
    throw error;
  }
}

/** An operation as Go writes it, its members in order. */
const sorted = (operation: unknown) =>
  isJsonObject(operation) ? Object.fromEntries(Object.entries(operation).sort(([a], [b]) => (a < b ? -1 : 1))) : operation;

/** Calls the mutating webhooks that are for a request one after the other, each with what those before it have made of the object. */
export function mutatingAdmissionWebhook(context: ExtensionContext): AdmissionPlugin {
  const configurations = followHooks(context, MutatingWebhookConfiguration);
  const rounds = new Rounds();

  /** Whether the webhook has changed the object. */
  const mutate = async (hook: Hook, matched: ServedResource, request: AdmissionRequest, onPatch: (patch: unknown[]) => void) => {
    const versioned = await inVersion(context.table, request, matched);
    const take = async ({ patch }: HookAnswer) => {
      if (!patch) return false;
      const next = patched(hook, versioned, patch);
      const isChanged = !deepEqual(next, versioned.object);
      if (isChanged) await takeMutation(context.table, request, matched, next);
      onPatch(patch);
      return isChanged;
    };
    return callHook(context, hook, request, versioned, { isMutating: true, take });
  };

  return {
    name: 'MutatingAdmissionWebhook',
    handles: (request) => configurations.items.length > 0 && !isExempt(request),
    async admit(request) {
      rounds.begin(request);
      const round = request.reinvocation.isReinvocation ? 1 : 0;
      for (const [index, hook] of configurations.items.flat().entries()) {
        const matched = await matchHook(context, hook, request, 'admit');
        if (!matched) continue;
        if (!rounds.isDue(request, hook.id)) continue;
        const place = `webhook.admission.k8s.io/round_${round}_index_${index}`;
        const who = { configuration: hook.configuration, webhook: hook.webhook.name };
        let mutated = false;
        try {
          mutated = await mutate(hook, matched, request, (patch) =>
            request.auditAnnotation(
              `patch.${place}`,
              JSON.stringify({ ...who, patch: patch.map(sorted), patchType: 'JSONPatch' }),
              'Request',
            ),
          );
        } catch (error) {
          if (!(error instanceof CallError)) throw error;
          if (failsClosed(hook)) throw errors.internal(error.message);
          request.auditAnnotation(`failed-open.mutation.${place}`, hook.webhook.name);
          // Nobody waits for the answer any more: there is no point in going on.
          if (request.lifetime?.signal.aborted) throw errors.timeout('request did not complete within requested timeout');
        } finally {
          request.auditAnnotation(`mutation.${place}`, JSON.stringify({ ...who, mutated }));
        }
        rounds.invoked(request, hook.id, { mutated, again: hook.webhook.reinvocationPolicy === 'IfNeeded' });
      }
      rounds.end(request);
    },
  };
}
