import type { Node, Pod } from '../../api/index.ts';
import type { AdmissionPlugin } from '../request.ts';
import { isCreate, isOn, isUpdate } from './context.ts';

const notReady = 'node.kubernetes.io/not-ready';
const unreachable = 'node.kubernetes.io/unreachable';

/** Pods stay this long on nodes that are not ready or out of reach, unless they say otherwise (--default-*-toleration-seconds, 300). */
export function defaultTolerationSeconds(seconds: { notReady?: number; unreachable?: number } = {}): AdmissionPlugin {
  const defaults = [
    { key: notReady, seconds: seconds.notReady ?? 300 },
    { key: unreachable, seconds: seconds.unreachable ?? 300 },
  ];
  return {
    name: 'DefaultTolerationSeconds',
    handles: (r) => isOn(r, 'pods') && (isCreate(r) || isUpdate(r)),
    admit(request) {
      const { spec } = request.object as Pod;
      if (spec === undefined) return;
      const tolerations = spec.tolerations ?? [];
      const missing = defaults.filter(
        ({ key }) => !tolerations.some((t) => (!t.key || t.key === key) && (!t.effect || t.effect === 'NoExecute')),
      );
      if (missing.length === 0) return;
      spec.tolerations = [
        ...tolerations,
        ...missing.map(({ key, seconds: s }) => ({ key, operator: 'Exists' as const, effect: 'NoExecute' as const, tolerationSeconds: s })),
      ];
    },
  };
}

/** A new node takes no pods before it has said that it is ready. */
export const taintNodesByCondition: AdmissionPlugin = {
  name: 'TaintNodesByCondition',
  handles: (r) => isOn(r, 'nodes') && isCreate(r),
  admit(request) {
    const node = request.object as Node;
    node.spec ??= {};
    if (node.spec.taints?.some((t) => t.key === notReady && t.effect === 'NoSchedule')) return;
    node.spec.taints = [...(node.spec.taints ?? []), { key: notReady, effect: 'NoSchedule' }];
  },
};
