/** PriorityLevelConfiguration before v1: shares had another name, and no way to say zero. */
import { PriorityLevelConfiguration } from '../generated/flowcontrol.v1.ts';
import * as v1beta1 from '../generated/flowcontrol.v1beta1.ts';
import * as v1beta2 from '../generated/flowcontrol.v1beta2.ts';
import * as v1beta3 from '../generated/flowcontrol.v1beta3.ts';
import type { ServedVersion } from '../kind.ts';
import { type Conversion, convertedVersion } from '../served-version.ts';

const defaultShares = 30;
/** Says of a v1beta3 object that its zero is meant, not left out (flowcontrol.PriorityLevelPreserveZeroConcurrencySharesKey). */
const preserveZeroAnnotation = 'flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares';

type Early = v1beta1.PriorityLevelConfiguration;

const early: Conversion<Early, PriorityLevelConfiguration> = {
  toStorage(level) {
    if (!level.spec?.limited) return level as Omit<Early, 'apiVersion' | 'kind'> & PriorityLevelConfiguration; // the same fields but for `limited`
    const { assuredConcurrencyShares, ...limited } = level.spec.limited;
    return {
      ...level,
      spec: { ...level.spec, limited: { ...limited, nominalConcurrencyShares: assuredConcurrencyShares || defaultShares } },
    };
  },
  fromStorage(level) {
    if (!level.spec?.limited) return level as Omit<PriorityLevelConfiguration, 'apiVersion' | 'kind'> & Early;
    const { nominalConcurrencyShares = 0, ...limited } = level.spec.limited;
    return { ...level, spec: { ...level.spec, limited: { ...limited, assuredConcurrencyShares: nominalConcurrencyShares } } };
  },
};

const third: Conversion<v1beta3.PriorityLevelConfiguration, PriorityLevelConfiguration> = {
  defaults({ metadata, spec }) {
    if (spec?.limited && metadata.annotations?.[preserveZeroAnnotation] === undefined)
      spec.limited.nominalConcurrencyShares ||= defaultShares;
  },
  toStorage(level) {
    const { [preserveZeroAnnotation]: mark, ...annotations } = level.metadata.annotations ?? {};
    if (mark === undefined) return level;
    const { annotations: _, ...metadata } = level.metadata;
    return { ...level, metadata: { ...metadata, ...(Object.keys(annotations).length === 0 ? {} : { annotations }) } };
  },
  fromStorage(level) {
    if (level.spec?.limited?.nominalConcurrencyShares !== 0) return level;
    return {
      ...level,
      metadata: { ...level.metadata, annotations: { ...level.metadata.annotations, [preserveZeroAnnotation]: '' } },
    };
  },
};

export const priorityLevelVersions: ServedVersion<PriorityLevelConfiguration>[] = [
  convertedVersion(v1beta3.PriorityLevelConfiguration, PriorityLevelConfiguration, third),
  convertedVersion(v1beta2.PriorityLevelConfiguration, PriorityLevelConfiguration, early),
  convertedVersion(v1beta1.PriorityLevelConfiguration, PriorityLevelConfiguration, early),
];
