/** A VolumeAttributesClass stays while a claim or a volume names it. */
import { PersistentVolume, PersistentVolumeClaim, VolumeAttributesClass } from '../../api/index.ts';
import { defineController } from '../framework/index.ts';

const finalizer = 'kubernetes.io/vac-protection';
const classIndex = 'attributesClasses';

/** The classes that a claim wants, has and is on its way to. */
function classesOfClaim({ spec, status }: PersistentVolumeClaim): string[] {
  const named = [
    spec?.volumeAttributesClassName,
    status?.currentVolumeAttributesClassName,
    status?.modifyVolumeStatus?.targetVolumeAttributesClassName,
  ];
  return [...new Set(named.flatMap((name) => name || []))];
}

const classesOfVolume = ({ spec }: PersistentVolume): string[] => (spec?.volumeAttributesClassName ? [spec.volumeAttributesClassName] : []);

export const attributesClassProtectionController = defineController(
  'volumeattributesclass-protection-controller',
  ({ client, informers }, queue) => {
    const classes = informers.for(VolumeAttributesClass);
    const claims = informers.for(PersistentVolumeClaim);
    const volumes = informers.for(PersistentVolume);
    claims.addIndex(classIndex, classesOfClaim);
    volumes.addIndex(classIndex, classesOfVolume);
    const enqueue = ({ metadata }: VolumeAttributesClass) => queue.add(metadata.name);
    classes.addHandler({ add: enqueue, update: enqueue });
    const freed = (names: readonly string[]) => {
      for (const name of names) queue.add(name);
    };
    claims.addHandler({ update: (_, prev) => freed(classesOfClaim(prev)), delete: (claim) => freed(classesOfClaim(claim)) });
    volumes.addHandler({ update: (_, prev) => freed(classesOfVolume(prev)), delete: (volume) => freed(classesOfVolume(volume)) });
    return {
      informers: [classes, claims, volumes],
      async reconcile(name, signal) {
        const found = classes.lister.get(name);
        if (!found) return;
        const { deletionTimestamp, finalizers = [] } = found.metadata;
        const has = finalizers.includes(finalizer);
        const write = (next: string[]) =>
          client.update(VolumeAttributesClass, { ...found, metadata: { ...found.metadata, finalizers: next } }, { signal });
        if (!deletionTimestamp && !has) await write([...finalizers, finalizer]);
        const used = [claims, volumes].some(({ lister }) => lister.byIndex(classIndex, name).length > 0);
        if (deletionTimestamp && has && !used) await write(finalizers.filter((f) => f !== finalizer));
      },
    };
  },
);
