/** The CSI drivers that have taken over in-tree volume plugins (KEP-625): volumes of these sources are theirs. */
import type { PersistentVolumeSpec, Volume } from '../generated/core.v1.ts';

type MigratedSource = keyof Volume & keyof PersistentVolumeSpec;

const driverOf = new Map<MigratedSource, string>([
  ['awsElasticBlockStore', 'ebs.csi.aws.com'],
  ['azureDisk', 'disk.csi.azure.com'],
  ['azureFile', 'file.csi.azure.com'],
  ['cinder', 'cinder.csi.openstack.org'],
  ['gcePersistentDisk', 'pd.csi.storage.gke.io'],
  ['portworxVolume', 'pxd.portworx.com'],
  ['vsphereVolume', 'csi.vsphere.vmware.com'],
]);

/** The CSI driver of a pod's or a persistent volume; undefined where it has none. */
export function csiDriverOf(source: Pick<Volume | PersistentVolumeSpec, MigratedSource | 'csi'>): string | undefined {
  if (source.csi) return source.csi.driver;
  for (const [field, driver] of driverOf) if (source[field]) return driver;
  return undefined;
}
