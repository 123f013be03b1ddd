import {
  compareQuantities,
  type Ingress,
  IngressClass,
  type KubeObject,
  type PersistentVolumeClaim,
  StorageClass,
} from '../../api/index.ts';
import type { AdmissionPlugin } from '../request.ts';
import { readObject, readObjects } from '../storages.ts';
import { type AdmissionContext, isCreate, isOn, isUpdate, refuse } from './context.ts';

const isDefault = (object: KubeObject, ...annotations: string[]) => annotations.some((a) => object.metadata.annotations?.[a] === 'true');

/** The newest of several defaults, then the first by name. */
const newestFirst = (a: KubeObject, b: KubeObject) =>
  (b.metadata.creationTimestamp ?? '').localeCompare(a.metadata.creationTimestamp ?? '') ||
  (a.metadata.name ?? '').localeCompare(b.metadata.name ?? '');

/** A claim without a class gets the default one. */
export function defaultStorageClass(context: AdmissionContext): AdmissionPlugin {
  return {
    name: 'DefaultStorageClass',
    handles: (r) => isOn(r, 'persistentvolumeclaims') && isCreate(r),
    async admit(request) {
      const claim = request.object as PersistentVolumeClaim;
      if (
        claim.spec?.storageClassName !== undefined ||
        claim.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] !== undefined
      )
        return;
      const chosen = (await readObjects(context.storages, StorageClass))
        .filter((c) => isDefault(c, 'storageclass.kubernetes.io/is-default-class', 'storageclass.beta.kubernetes.io/is-default-class'))
        .sort(newestFirst)[0];
      if (chosen === undefined) return;
      claim.spec ??= {};
      claim.spec.storageClassName = chosen.metadata.name ?? '';
    },
  };
}

export function defaultIngressClass(context: AdmissionContext): AdmissionPlugin {
  return {
    name: 'DefaultIngressClass',
    handles: (r) => isOn(r, 'ingresses', 'networking.k8s.io') && isCreate(r),
    async admit(request) {
      const ingress = request.object as Ingress;
      if (ingress.spec?.ingressClassName !== undefined || ingress.metadata.annotations?.['kubernetes.io/ingress.class'] !== undefined)
        return;
      const chosen = (await readObjects(context.storages, IngressClass))
        .filter((c) => isDefault(c, 'ingressclass.kubernetes.io/is-default-class'))
        .sort(newestFirst)[0];
      if (chosen === undefined) return;
      ingress.spec ??= {};
      ingress.spec.ingressClassName = chosen.metadata.name ?? '';
    },
  };
}

const protections: Record<string, string> = {
  persistentvolumeclaims: 'kubernetes.io/pvc-protection',
  persistentvolumes: 'kubernetes.io/pv-protection',
  volumeattributesclasses: 'kubernetes.io/vac-protection',
};

/** Volumes and claims stay until nobody uses them: a finalizer that the protection controllers take off. */
export const storageObjectInUseProtection: AdmissionPlugin = {
  name: 'StorageObjectInUseProtection',
  handles: (r) =>
    isCreate(r) &&
    r.subresource === '' &&
    (r.resource === 'volumeattributesclasses' ? r.group === 'storage.k8s.io' : r.group === '') &&
    protections[r.resource] !== undefined,
  admit(request) {
    const finalizer = protections[request.resource];
    const metadata = request.object?.metadata;
    if (finalizer === undefined || metadata === undefined || metadata.finalizers?.includes(finalizer)) return;
    metadata.finalizers = [...(metadata.finalizers ?? []), finalizer];
  },
};

/** A claim grows only where its class allows it. */
export function persistentVolumeClaimResize(context: AdmissionContext): AdmissionPlugin {
  return {
    name: 'PersistentVolumeClaimResize',
    handles: (r) => isOn(r, 'persistentvolumeclaims') && isUpdate(r),
    async validate(request) {
      const claim = request.object as PersistentVolumeClaim;
      const before = request.oldObject as PersistentVolumeClaim;
      const next = claim.spec?.resources?.requests?.storage ?? '0';
      const prev = before.spec?.resources?.requests?.storage ?? '0';
      if (compareQuantities(next, prev) <= 0) return;
      if (before.status?.phase !== 'Bound') throw refuse(request, 'Only bound persistent volume claims can be expanded');
      const name = claim.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? claim.spec?.storageClassName;
      const storageClass = name ? await readObject(context.storages, StorageClass, '', name) : undefined;
      if (storageClass?.allowVolumeExpansion !== true)
        throw refuse(
          request,
          'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
        );
    },
  };
}
