import { applyJsonPatch, deepEqual, errors, type KubeObject, MutatingWebhookConfiguration, PatchError } from '../../../api/index.ts';
import type { ServedResource } from '../../registry/served-resource.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../../request.ts';
import type { ExtensionContext } from '../extension/context.ts';
import { isExempt } from '../extension/matching.ts';
import { Rounds } from '../extension/rounds.ts';
import { inVersion, takeMutation, type VersionedRequest } from '../extension/versions.ts';
import { CallError, callHook } from './call.ts';
import { checkDryRun, failsClosed, followHooks, type Hook, matchHook } from './hooks.ts';

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

/** Calls the mutating webhooks that are for a request one after the other, each with what those before it have made of the object. */
export function mutatingAdmissionWebhook(context: ExtensionContext): AdmissionPlugin {
  const configurations = followHooks(context, MutatingWebhookConfiguration);
  const rounds = new Rounds();

  /** Whether the webhook has changed the object. */
  const mutate = async (hook: Hook, matched: ServedResource, request: AdmissionRequest): Promise<boolean> => {
    const versioned = await inVersion(context.table, request, matched);
    const { patch } = await callHook(context, hook, request, versioned, true);
    if (!patch) return false;
    const next = patched(hook, versioned, patch);
    if (deepEqual(next, versioned.object)) return false;
    await takeMutation(context.table, request, matched, next);
    return true;
  };

  return {
    name: 'MutatingAdmissionWebhook',
    handles: (request) => configurations.items.length > 0 && !isExempt(request),
    async admit(request) {
      rounds.begin(request);
      const round = request.reinvocation.isReinvocation ? 1 : 0;
      for (const [index, hook] of configurations.items.flat().entries()) {
        const matched = await matchHook(context, hook, request);
        if (!matched) continue;
        if (!rounds.isDue(request, hook.id)) continue;
        checkDryRun(hook, request);
        const place = `webhook.admission.k8s.io/round_${round}_index_${index}`;
        let mutated: boolean;
        try {
          mutated = await mutate(hook, matched, request);
        } catch (error) {
          if (!(error instanceof CallError)) throw error;
          if (failsClosed(hook)) throw errors.internal(error.message);
          request.auditAnnotation(`failed-open.mutation.${place}`, hook.webhook.name);
          continue;
        }
        request.auditAnnotation(
          `mutation.${place}`,
          JSON.stringify({ configuration: hook.configuration, webhook: hook.webhook.name, mutated }),
        );
        rounds.invoked(request, hook.id, { mutated, again: hook.webhook.reinvocationPolicy === 'IfNeeded' });
      }
      rounds.end(request);
    },
  };
}
