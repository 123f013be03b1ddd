/** ImagePolicyWebhook: somebody else says which images pods may run. */
import type { Pod } from '../../api/index.ts';
import { expiringCache } from '../../client/index.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../request.ts';
import { type KubeconfigWebhook, postPatiently } from '../webhook/index.ts';
import { type AdmissionContext, isCreate, isUpdate, refuse } from './context.ts';

export interface ImagePolicyOptions {
  webhook: KubeconfigWebhook;
  /** How long a yes is remembered; 0: not at all. */
  allowTtlMs: number;
  denyTtlMs: number;
  /** The first wait between two tries. */
  retryBackoffMs: number;
  /** Whether pods are let in where nobody can be asked. */
  defaultAllow: boolean;
}

/** An ImageReview's (imagepolicy.k8s.io/v1alpha1). */
interface Spec {
  containers: { image: string }[];
  annotations?: Record<string, string>;
  namespace: string;
}

interface Status {
  allowed?: boolean;
  reason?: string;
  auditAnnotations?: Record<string, string>;
}

const auditPrefix = 'imagepolicywebhook.image-policy.k8s.io/';

/** The images that a request brings, in upstream's order. */
function imagesOf({ subresource }: AdmissionRequest, { spec }: Pod): string[] {
  const containers =
    subresource === 'ephemeralcontainers'
      ? (spec?.ephemeralContainers ?? [])
      : [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
  return containers.map(({ image = '' }) => image);
}

export function imagePolicyWebhook(context: AdmissionContext, options: ImagePolicyOptions): AdmissionPlugin {
  const { clock, random } = context;
  const { webhook } = options;
  const answers = expiringCache<Status>(clock, ({ allowed }) => (allowed ? options.allowTtlMs : options.denyTtlMs));

  const ask = async (spec: Spec): Promise<Status> => {
    const body = { kind: 'ImageReview', apiVersion: 'imagepolicy.k8s.io/v1alpha1', metadata: {}, spec, status: { allowed: false } };
    const patience = { clock, random, initialBackoffMs: options.retryBackoffMs };
    // What is read of it is checked by its use.
    const read = (text: string) => (JSON.parse(text) as { status?: Status } | null)?.status ?? { allowed: false };
    return postPatiently(webhook, JSON.stringify(body), patience, read);
  };
  return {
    name: 'ImagePolicyWebhook',
    handles: (r) =>
      r.group === '' &&
      r.resource === 'pods' &&
      (r.subresource === '' || r.subresource === 'ephemeralcontainers') &&
      (isCreate(r) || isUpdate(r)),
    async validate(request) {
      const pod = request.object as Pod;
      const annotations = Object.entries(pod.metadata.annotations ?? {}).filter(([key]) => key.includes('.image-policy.k8s.io/'));
      const spec = {
        containers: imagesOf(request, pod).map((image) => ({ image })),
        ...(annotations.length > 0 ? { annotations: Object.fromEntries(annotations) } : {}),
        namespace: request.namespace,
      };
      let status: Status;
      try {
        status = await answers(JSON.stringify(spec), () => ask(spec));
      } catch (error) {
        if (!options.defaultAllow) throw refuse(request, error instanceof Error ? error.message : String(error));
        request.auditAnnotation(`${auditPrefix}failed-open`, 'true');
        return;
      }
      for (const [key, value] of Object.entries(status.auditAnnotations ?? {})) request.auditAnnotation(auditPrefix + key, String(value));
      if (status.allowed === true) return;
      throw refuse(
        request,
        status.reason
          ? `image policy webhook backend denied one or more images: ${status.reason}`
          : 'one or more images rejected by webhook backend',
      );
    },
  };
}
