/** Defaults of pod specs: what the table's default column can't say (upstream: pkg/apis/core/v1/defaults.go). */
import type {
  Container,
  EphemeralContainer,
  PersistentVolumeClaimSpec,
  PodSpec,
  PodTemplateSpec,
  Probe,
  PullPolicy,
  Volume,
} from '../generated/core.v1.ts';
import type { ObjectMeta } from '../generated/meta.v1.ts';
import { isLatestImage } from './image-reference.ts';

function defaultPullPolicy(image: string | undefined): PullPolicy {
  return isLatestImage(image ?? '') ? 'Always' : 'IfNotPresent';
}

function defaultProbe(probe: Probe | undefined): void {
  if (!probe) return;
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
}

interface HttpGetHolder {
  httpGet?: { path?: string; scheme?: 'HTTP' | 'HTTPS' };
}

function defaultHttpGet(handler: HttpGetHolder | undefined): void {
  if (!handler?.httpGet) return;
  handler.httpGet.path ||= '/';
  handler.httpGet.scheme ||= 'HTTP';
}

/** Fills in what a container leaves open; ephemeral containers have the same defaults. */
export function defaultContainer(container: Container | EphemeralContainer): void {
  container.resources ??= {};
  container.imagePullPolicy ||= defaultPullPolicy(container.image);
  container.terminationMessagePath ||= '/dev/termination-log';
  container.terminationMessagePolicy ||= 'File';
  for (const port of container.ports ?? []) port.protocol ||= 'TCP';
  for (const env of container.env ?? []) {
    if (env.valueFrom?.fieldRef) env.valueFrom.fieldRef.apiVersion ||= 'v1';
    if (env.valueFrom?.fileKeyRef) env.valueFrom.fileKeyRef.optional ??= false;
  }
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe]) {
    defaultProbe(probe);
    defaultHttpGet(probe);
    if (probe?.grpc) probe.grpc.service ??= '';
  }
  defaultHttpGet(container.lifecycle?.postStart);
  defaultHttpGet(container.lifecycle?.preStop);
}

/** Defaults of a claim's spec, wherever one is written: the claim itself, a StatefulSet's template, a generic ephemeral volume. */
export function defaultPersistentVolumeClaimSpec(spec: PersistentVolumeClaimSpec): void {
  spec.volumeMode ??= 'Filesystem';
  spec.resources ??= {};
}

/** 0644, the mode of files in volumes made of API objects. */
const FILE_MODE = 0o644;

interface DownwardItems {
  items?: { fieldRef?: { apiVersion?: string } }[];
}

function defaultDownwardItems(source: DownwardItems | undefined): void {
  for (const item of source?.items ?? []) if (item.fieldRef) item.fieldRef.apiVersion ||= 'v1';
}

function defaultVolume(volume: Volume): void {
  const sources = Object.entries(volume).filter(([key, value]) => key !== 'name' && value !== undefined && value !== null);
  if (sources.length === 0) volume.emptyDir = {};
  if (volume.hostPath) volume.hostPath.type ??= '';
  if (volume.secret) volume.secret.defaultMode ??= FILE_MODE;
  if (volume.configMap) volume.configMap.defaultMode ??= FILE_MODE;
  if (volume.downwardAPI) {
    volume.downwardAPI.defaultMode ??= FILE_MODE;
    defaultDownwardItems(volume.downwardAPI);
  }
  if (volume.projected) {
    volume.projected.defaultMode ??= FILE_MODE;
    for (const source of volume.projected.sources ?? []) {
      if (source.serviceAccountToken) source.serviceAccountToken.expirationSeconds ??= 3600;
      defaultDownwardItems(source.downwardAPI);
    }
  }
  if (volume.azureDisk) {
    volume.azureDisk.cachingMode ??= 'ReadWrite';
    volume.azureDisk.kind ??= 'Shared';
  }
  if (volume.image) volume.image.pullPolicy ||= defaultPullPolicy(volume.image.reference);
  if (volume.ephemeral?.volumeClaimTemplate) defaultPersistentVolumeClaimSpec(volume.ephemeral.volumeClaimTemplate.spec);
}

/** Fills in what a pod spec leaves open, in a pod as well as in a template. */
export function defaultPodSpec(spec: PodSpec): void {
  spec.restartPolicy ||= 'Always';
  spec.terminationGracePeriodSeconds ??= 30;
  spec.dnsPolicy ||= 'ClusterFirst';
  spec.securityContext ??= {};
  spec.schedulerName ||= 'default-scheduler';
  // The old name of serviceAccountName: kept equal, as upstream's conversion does.
  const serviceAccount = spec.serviceAccountName || spec.serviceAccount;
  if (serviceAccount) {
    spec.serviceAccountName = serviceAccount;
    spec.serviceAccount = serviceAccount;
  }
  for (const volume of spec.volumes ?? []) defaultVolume(volume);
  for (const container of spec.initContainers ?? []) defaultContainer(container);
  for (const container of spec.containers ?? []) defaultContainer(container);
  for (const container of spec.ephemeralContainers ?? []) defaultContainer(container);
}

const initContainerAnnotations = ['beta', 'alpha'].flatMap((stage) =>
  ['init-containers', 'init-container-statuses'].map((what) => `pod.${stage}.kubernetes.io/${what}`),
);

/** What said of init containers what fields say now. */
export function dropInitContainerAnnotations(metadata: { annotations?: Record<string, string> } | undefined): void {
  for (const name of initContainerAnnotations) delete metadata?.annotations?.[name];
}

/** As `defaultPodSpec`, on a template. */
export function defaultPodTemplate(template: PodTemplateSpec): void {
  // A client may leave them out; a type that says otherwise describes what is stored.
  template.metadata ??= {} as Partial<ObjectMeta>;
  dropInitContainerAnnotations(template.metadata);
  template.spec ??= { containers: [] };
  defaultPodSpec(template.spec);
}
