import { namesInPod, type Pod, type PodSpec, parseGoBool, ServiceAccount, type Volume } from '../../api/index.ts';
import { injectedExpirationSeconds } from '../authentication/service-account/token-request.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../request.ts';
import { readObject } from '../storages.ts';
import { type AdmissionContext, isCreate, isOn, isUpdate, nameSuffix, refuse } from './context.ts';

const mountPath = '/var/run/secrets/kubernetes.io/serviceaccount';
const mirrorAnnotation = 'kubernetes.io/config.mirror';
const enforceAnnotation = 'kubernetes.io/enforce-mountable-secrets';

/** Every pod runs as a service account, and finds its token where clients look for it. */
export function serviceAccount(context: AdmissionContext): AdmissionPlugin {
  const accountOf = async (request: AdmissionRequest, name: string) => {
    const account = await readObject(context.storages, ServiceAccount, request.namespace, name);
    if (account === undefined)
      throw refuse(
        request,
        `error looking up service account ${request.namespace}/${name}: serviceaccount ${JSON.stringify(name)} not found`,
      );
    return account;
  };
  return {
    name: 'ServiceAccount',
    handles: (r) => (isOn(r, 'pods') && isCreate(r)) || isDebugging(r),
    async admit(request) {
      if (isDebugging(request)) return;
      const pod = request.object as Pod;
      if (isMirror(pod)) return;
      pod.spec ??= { containers: [] };
      const { spec } = pod;
      spec.serviceAccountName ||= 'default';
      spec.serviceAccount = spec.serviceAccountName;
      const account = await accountOf(request, spec.serviceAccountName);
      const automount = spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true;
      if (automount) mountToken(spec, context);
      if (!spec.imagePullSecrets?.length && account.imagePullSecrets?.length)
        spec.imagePullSecrets = account.imagePullSecrets.map((s) => ({ ...s }));
    },
    async validate(request) {
      const pod = request.object as Pod;
      const { spec } = pod;
      if (isMirror(pod) && !isDebugging(request)) {
        if (spec?.serviceAccountName) throw refuse(request, 'a mirror pod may not reference service accounts');
        for (const [kind] of namesInPod(spec ?? { containers: [] }))
          if (kind === 'secret') throw refuse(request, 'a mirror pod may not reference secrets');
        if (spec?.volumes?.some((v) => v.projected?.sources?.some((s) => s.serviceAccountToken)))
          throw refuse(request, 'a mirror pod may not use ServiceAccountToken volume projections');
        return;
      }
      const name = spec?.serviceAccountName;
      if (!name) throw refuse(request, `no service account specified for pod ${request.namespace}/${pod.metadata.name ?? ''}`);
      const account = await accountOf(request, name);
      if (!parseGoBool(account.metadata.annotations?.[enforceAnnotation] ?? '')) return;
      const problem = isDebugging(request) ? strangeSecretInEnvironment(spec, account, true) : strangeSecret(spec, account);
      if (problem !== undefined) throw refuse(request, problem);
    },
  };
}

/** Containers are added to a pod that runs. */
const isDebugging = (r: AdmissionRequest) =>
  r.group === '' && r.resource === 'pods' && r.subresource === 'ephemeralcontainers' && isUpdate(r);

/** The first secret of a pod that its account, which enforces that, does not list. */
function strangeSecret(spec: PodSpec, account: ServiceAccount): string | undefined {
  const mountable = new Set(account.secrets?.map((s) => s.name));
  const mounted = spec.volumes?.find(({ secret }) => secret && !mountable.has(secret.secretName))?.secret?.secretName;
  if (mounted !== undefined) return `volume with secret.secretName="${mounted}" ${notAllowed(account)}`;
  const named = strangeSecretInEnvironment(spec, account, false);
  if (named !== undefined) return named;
  const pullable = new Set(account.imagePullSecrets?.map((s) => s.name));
  const i = spec.imagePullSecrets?.findIndex((s) => !pullable.has(s.name)) ?? -1;
  if (i < 0) return undefined;
  return `imagePullSecrets[${i}].name="${spec.imagePullSecrets?.[i]?.name}" ${notAllowed(account, 'imagePullSecret')}`;
}

const notAllowed = ({ metadata }: ServiceAccount, what = 'secret') =>
  `is not allowed because service account ${metadata.name} does not reference that ${what}`;

function strangeSecretInEnvironment(spec: PodSpec, account: ServiceAccount, isDebug: boolean): string | undefined {
  const mountable = new Set(account.secrets?.map((s) => s.name));
  const isStrange = (name: string | undefined): name is string => name !== undefined && !mountable.has(name);
  const kinds = isDebug
    ? ([['ephemeral container', spec.ephemeralContainers]] as const)
    : ([
        ['init container', spec.initContainers],
        ['container', spec.containers],
      ] as const);
  for (const [kind, containers = []] of kinds)
    for (const { name, env = [], envFrom = [] } of containers) {
      for (const { name: variable, valueFrom } of env) {
        const secret = valueFrom?.secretKeyRef && (valueFrom.secretKeyRef.name ?? '');
        if (isStrange(secret))
          return `${kind} ${name} with envVar ${variable} referencing secret.secretName="${secret}" ${notAllowed(account)}`;
      }
      for (const { secretRef } of envFrom) {
        const secret = secretRef && (secretRef.name ?? '');
        if (isStrange(secret)) return `${kind} ${name} with envFrom referencing secret.secretName="${secret}" ${notAllowed(account)}`;
      }
    }
  return undefined;
}

const isMirror = (pod: Pod) => pod.metadata.annotations?.[mirrorAnnotation] !== undefined;

function mountToken(spec: PodSpec, context: AdmissionContext): void {
  const present = spec.volumes?.find((v) => v.name.startsWith('kube-api-access-'));
  const name = present?.name ?? `kube-api-access-${nameSuffix(context.random)}`;
  let needed = false;
  for (const container of [...(spec.initContainers ?? []), ...spec.containers]) {
    if (container.volumeMounts?.some((m) => m.mountPath === mountPath)) continue;
    container.volumeMounts = [...(container.volumeMounts ?? []), { name, readOnly: true, mountPath }];
    needed = true;
  }
  if (needed && present === undefined) spec.volumes = [...(spec.volumes ?? []), tokenVolume(name)];
}

function tokenVolume(name: string): Volume {
  return {
    name,
    projected: {
      defaultMode: 0o644,
      sources: [
        { serviceAccountToken: { expirationSeconds: injectedExpirationSeconds, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        { downwardAPI: { items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }] } },
      ],
    },
  };
}
