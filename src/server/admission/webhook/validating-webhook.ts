import { errors, ValidatingWebhookConfiguration } from '../../../api/index.ts';
import type { ServedResource } from '../../registry/served-resource.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../../request.ts';
import type { ExtensionContext } from '../extension/context.ts';
import { isExempt } from '../extension/matching.ts';
import { inVersion } from '../extension/versions.ts';
import { CallError, callHook } from './call.ts';
import { failsClosed, followHooks, type Hook, matchHook } from './hooks.ts';

/** Calls all validating webhooks that are for a request, side by side; one refusal is enough. */
export function validatingAdmissionWebhook(context: ExtensionContext): AdmissionPlugin {
  const configurations = followHooks(context, ValidatingWebhookConfiguration);

  const validate = async (hook: Hook, matched: ServedResource, index: number, request: AdmissionRequest): Promise<void> => {
    try {
      const versioned = await inVersion(context.table, request, matched);
      await callHook(context, hook, request, versioned, { isMutating: false, take: () => {} });
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      if (failsClosed(hook)) throw errors.internal(error.message);
      request.auditAnnotation(`failed-open.validating.webhook.admission.k8s.io/round_0_index_${index}`, hook.webhook.name);
    }
  };

  return {
    name: 'ValidatingAdmissionWebhook',
    handles: (request) => configurations.items.length > 0 && !isExempt(request),
    async validate(request) {
      const meant: { hook: Hook; matched: ServedResource }[] = [];
      // None is called before it is known of all whether they are.
      for (const hook of configurations.items.flat()) {
        const matched = await matchHook(context, hook, request, 'validating');
        if (matched) meant.push({ hook, matched });
      }
      if (meant.length === 0) return;
      const outcomes = await Promise.allSettled(meant.map(({ hook, matched }, i) => validate(hook, matched, i, request)));
      const refused = outcomes.find((outcome) => outcome.status === 'rejected');
      if (refused) throw refused.reason;
    },
  };
}
