import type { PodSpec } from '../generated/core.v1.ts';

export type NamedInPod = 'secret' | 'configmap' | 'persistentvolumeclaim' | 'resourceclaim';

/** Secrets, config maps and claims that a pod's spec names. */
export function* namesInPod(spec: PodSpec): Iterable<[NamedInPod, string]> {
  for (const secret of spec.imagePullSecrets ?? []) if (secret.name) yield ['secret', secret.name];
  for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...(spec.ephemeralContainers ?? [])]) {
    for (const from of container.envFrom ?? []) {
      if (from.configMapRef?.name) yield ['configmap', from.configMapRef.name];
      if (from.secretRef?.name) yield ['secret', from.secretRef.name];
    }
    for (const env of container.env ?? []) {
      if (env.valueFrom?.configMapKeyRef?.name) yield ['configmap', env.valueFrom.configMapKeyRef.name];
      if (env.valueFrom?.secretKeyRef?.name) yield ['secret', env.valueFrom.secretKeyRef.name];
    }
  }
  for (const volume of spec.volumes ?? []) {
    if (volume.configMap?.name) yield ['configmap', volume.configMap.name];
    if (volume.secret?.secretName) yield ['secret', volume.secret.secretName];
    if (volume.persistentVolumeClaim) yield ['persistentvolumeclaim', volume.persistentVolumeClaim.claimName];
    for (const source of volume.projected?.sources ?? []) {
      if (source.configMap?.name) yield ['configmap', source.configMap.name];
      if (source.secret?.name) yield ['secret', source.secret.name];
    }
    const secret =
      volume.azureFile?.secretName ??
      volume.cephfs?.secretRef?.name ??
      volume.cinder?.secretRef?.name ??
      volume.csi?.nodePublishSecretRef?.name ??
      volume.flexVolume?.secretRef?.name ??
      volume.iscsi?.secretRef?.name ??
      volume.rbd?.secretRef?.name ??
      volume.scaleIO?.secretRef?.name ??
      volume.storageos?.secretRef?.name;
    if (secret) yield ['secret', secret];
  }
  for (const claim of spec.resourceClaims ?? []) if (claim.resourceClaimName) yield ['resourceclaim', claim.resourceClaimName];
}
