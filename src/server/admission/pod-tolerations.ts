/** PodTolerationRestriction: what the pods of a namespace tolerate by default, and what they may tolerate at all. */
import { computePodQos, deepEqual, Namespace, type Pod, StatusError, type Toleration } from '../../api/index.ts';
import type { AdmissionPlugin } from '../request.ts';
import { readObject } from '../storages.ts';
import { type AdmissionContext, isCreate, isOn, isUpdate } from './context.ts';

/** For namespaces that say nothing themselves. */
export interface PodTolerationOptions {
  default?: readonly Toleration[];
  whitelist?: readonly Toleration[];
}

const defaultsAnnotation = 'scheduler.alpha.kubernetes.io/defaultTolerations';
const whitelistAnnotation = 'scheduler.alpha.kubernetes.io/tolerationsWhitelist';

const memoryPressure: Toleration = { key: 'node.kubernetes.io/memory-pressure', operator: 'Exists', effect: 'NoSchedule' };

/** Whether whoever tolerates this tolerates the other, too. */
function covers(wide: Toleration, narrow: Toleration): boolean {
  if (deepEqual(wide, narrow)) return true;
  // Without a key, Exists is about every taint.
  if ((wide.key ?? '') !== (narrow.key ?? '') && (wide.key || wide.operator !== 'Exists')) return false;
  if (wide.effect && wide.effect !== narrow.effect) return false;
  if (wide.effect === 'NoExecute' && wide.tolerationSeconds !== undefined)
    if (narrow.tolerationSeconds === undefined || narrow.tolerationSeconds > wide.tolerationSeconds) return false;
  if (wide.operator === 'Exists') return true;
  return (wide.operator ?? 'Equal') === 'Equal' && narrow.operator === 'Equal' && (narrow.value ?? '') === (wide.value ?? '');
}

/** Both in order, without what another covers; of equal ones the first. */
export function mergeTolerations(first: readonly Toleration[], second: readonly Toleration[]): Toleration[] {
  const all = [...first, ...second];
  const kept: Toleration[] = [];
  for (const [i, toleration] of all.entries()) {
    const isCovered =
      kept.some((other) => covers(other, toleration)) ||
      all.slice(i + 1).some((other) => !deepEqual(other, toleration) && covers(other, toleration));
    if (!isCovered) kept.push(toleration);
  }
  return kept;
}

/** Upstream's plain error, which it answers with 500. */
const failed = (why: string) => new StatusError(500, '', why, {});

function tolerationsIn(namespace: Namespace, annotation: string): Toleration[] | undefined {
  const text = namespace.metadata.annotations?.[annotation];
  if (text === undefined) return undefined;
  if (text === '') return [];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw failed(error instanceof Error ? error.message : String(error));
  }
  if (!Array.isArray(value)) throw failed('json: cannot unmarshal object into Go value of type []v1.Toleration');
  // Whoever may annotate namespaces says what pods tolerate; the pod's own validation looks at what comes of it.
  return value as Toleration[];
}

export function podTolerationRestriction(context: AdmissionContext, options: PodTolerationOptions = {}): AdmissionPlugin {
  const namespaceOf = async (name: string): Promise<Namespace> => {
    const namespace = await readObject(context.storages, Namespace, '', name);
    if (namespace === undefined) throw new StatusError(404, 'NotFound', `namespace "${name}" not found`, {});
    return namespace;
  };
  return {
    name: 'PodTolerationRestriction',
    handles: (r) => isOn(r, 'pods') && (isCreate(r) || isUpdate(r)),
    async admit(request) {
      const pod = request.object as Pod;
      const { spec } = pod;
      if (spec === undefined) return;
      const extra = isCreate(request)
        ? [...(tolerationsIn(await namespaceOf(request.namespace), defaultsAnnotation) ?? options.default ?? [])]
        : [];
      if (computePodQos(pod) !== 'BestEffort') extra.push(memoryPressure);
      if (extra.length > 0) spec.tolerations = mergeTolerations(spec.tolerations ?? [], extra);
    },
    async validate(request) {
      const tolerations = (request.object as Pod).spec?.tolerations ?? [];
      if (tolerations.length === 0) return;
      const own = tolerationsIn(await namespaceOf(request.namespace), whitelistAnnotation);
      const whitelist = own ?? options.whitelist ?? [];
      if (whitelist.length === 0 || tolerations.every((t) => whitelist.some((allowed) => covers(allowed, t)))) return;
      throw failed(
        `pod tolerations (possibly merged with namespace default tolerations) conflict with its ${own ? 'namespace' : 'cluster'} whitelist`,
      );
    },
  };
}
