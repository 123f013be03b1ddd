import { errors, ValidatingWebhookConfiguration } from '../../../api/index.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../../request.ts';
import type { ExtensionContext } from '../extension/context.ts';
import { isExempt } from '../extension/matching.ts';
import { inVersion } from '../extension/versions.ts';
import { CallError, callHook } from './call.ts';
import { checkDryRun, failsClosed, followHooks, type Hook, matchHook } from './hooks.ts';

/** Calls all validating webhooks that are for a request, side by side; one refusal is enough. */
export function validatingAdmissionWebhook(context: ExtensionContext): AdmissionPlugin {
  const configurations = followHooks(context, ValidatingWebhookConfiguration);

  const validate = async (hook: Hook, index: number, request: AdmissionRequest): Promise<void> => {
    const matched = await matchHook(context, hook, request);
    if (!matched) return;
    checkDryRun(hook, request);
    try {
      await callHook(context, hook, request, await inVersion(context.table, request, matched), false);
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
      const outcomes = await Promise.allSettled(configurations.items.flat().map((hook, i) => validate(hook, i, request)));
      const refused = outcomes.find((outcome) => outcome.status === 'rejected');
      if (refused) throw refused.reason;
    },
  };
}
