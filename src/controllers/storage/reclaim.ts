/** What becomes of a volume whose claim is gone, by its reclaim policy. */
import { rm } from 'node:fs/promises';
import type { PersistentVolume } from '../../api/index.ts';
import { messageOf } from '../framework/index.ts';

/** Set on what a provisioner outside has made: it deletes it, too. */
const provisionedBy = 'pv.kubernetes.io/provisioned-by';

export type Reclaim =
  | { do: 'keep' }
  | { do: 'delete' }
  | { do: 'fail'; reason: 'VolumeFailedDelete' | 'VolumeUnknownReclaimPolicy'; message: string };

/** Deletes what is behind the volume where that is this controller's to do; answers what is to become of the object. */
export async function reclaim({ metadata, spec }: PersistentVolume): Promise<Reclaim> {
  const policy = spec?.persistentVolumeReclaimPolicy ?? 'Retain';
  if (policy === 'Retain' || policy === 'Recycle') return { do: 'keep' };
  const fail = (message: string): Reclaim => ({ do: 'fail', reason: 'VolumeFailedDelete', message });
  if (policy !== 'Delete')
    return { do: 'fail', reason: 'VolumeUnknownReclaimPolicy', message: 'Volume has an unrecognized PersistentVolumeReclaimPolicy' };
  if (metadata.annotations?.[provisionedBy] !== undefined) return { do: 'keep' };
  const path = spec?.hostPath?.path;
  if (path === undefined) {
    // Drivers outside the tree delete what they know of; nobody is to be told that they will not.
    if (spec?.csi) return { do: 'keep' };
    return fail(`error getting deleter volume plugin for volume ${JSON.stringify(metadata.name)}: no deletable volume plugin matched`);
  }
  if (!/^\/tmp\/.+/.test(path) || path.split('/').includes('..'))
    return fail(`host_path deleter only supports /tmp/.+ but received provided ${path}`);
  try {
    await rm(path, { recursive: true, force: true });
    return { do: 'delete' };
  } catch (error) {
    return fail(messageOf(error));
  }
}
