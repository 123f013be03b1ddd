/** What later versions of a HorizontalPodAutoscaler have, in annotations of earlier ones (upstream: pkg/apis/autoscaling/annotations.go). */
import { decodeValue } from '../decode.ts';
import type * as v2 from '../generated/autoscaling.v2.ts';
import { isJsonObject } from '../json-object.ts';
import { DecodeError, parseJson } from '../json-text.ts';
import { structNode } from '../schema/table.ts';

export const annotation = {
  metrics: 'autoscaling.alpha.kubernetes.io/metrics',
  statuses: 'autoscaling.alpha.kubernetes.io/current-metrics',
  conditions: 'autoscaling.alpha.kubernetes.io/conditions',
  behavior: 'autoscaling.alpha.kubernetes.io/behavior',
} as const;

/** What `read` makes of an annotation's content; what can't be read counts as absent, as upstream has it. */
function parse<T>(text: string | undefined, read: (value: unknown) => T): T | undefined {
  if (text === undefined) return undefined;
  try {
    const { value } = parseJson(text);
    return value === null ? undefined : read(value);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** A list in an annotation; each item is of the type, whatever a client has written there. */
export function listOf<T>(text: string | undefined, type: string): T[] | undefined {
  return parse(text, (value) => {
    if (!Array.isArray(value)) throw new DecodeError('no list');
    const node = structNode(type);
    return value.map((item) => decodeValue(node, item ?? {}) as T); // decoded by T's own row of the table
  });
}

const capitalized = (name: string) => name.charAt(0).toUpperCase() + name.slice(1);
const uncapitalized = (name: string) => name.charAt(0).toLowerCase() + name.slice(1);

/** A copy whose fields are named by `rename`, at all depths. */
function renamed(value: unknown, rename: (name: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => renamed(item, rename));
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [rename(name), renamed(item, rename)]));
}

/** Upstream writes its internal type here: capitalized names in its order, nothing left out. */
export function behaviorNote({ scaleUp, scaleDown }: v2.HorizontalPodAutoscalerBehavior): unknown {
  const rules = (given: v2.HPAScalingRules | undefined) => {
    if (!given) return null;
    const { stabilizationWindowSeconds = null, selectPolicy = null, policies = null, tolerance = null } = given;
    return {
      stabilizationWindowSeconds,
      selectPolicy,
      policies: policies?.map(({ type, value, periodSeconds }) => ({ type, value, periodSeconds })) ?? null,
      tolerance,
    };
  };
  return renamed({ scaleUp: rules(scaleUp), scaleDown: rules(scaleDown) }, capitalized);
}

/** Of fields in either spelling. */
export function readBehavior(text: string | undefined): v2.HorizontalPodAutoscalerBehavior | undefined {
  const node = structNode('autoscaling.v2.HorizontalPodAutoscalerBehavior');
  const behavior = parse(text, (value) => decodeValue(node, withoutNulls(renamed(value, uncapitalized))));
  return isJsonObject(behavior) && Object.keys(behavior).length > 0 ? behavior : undefined;
}

function withoutNulls(value: unknown): unknown {
  if (!isJsonObject(value)) return value;
  const present = Object.entries(value).filter(([, item]) => item !== null);
  return Object.fromEntries(present.map(([name, item]) => [name, withoutNulls(item)]));
}

/** Metadata without these annotations, but for those that are given. */
export function withAnnotations(metadata: v2.HorizontalPodAutoscaler['metadata'], add: Record<string, unknown>) {
  const entries = Object.entries(add).filter(([, value]) => value !== undefined);
  const { annotations, ...rest } = metadata;
  const known: readonly string[] = Object.values(annotation);
  const all = {
    ...Object.fromEntries(Object.entries(annotations ?? {}).filter(([key]) => !known.includes(key))),
    ...Object.fromEntries(entries.map(([key, value]) => [key, JSON.stringify(value)])),
  };
  return Object.keys(all).length > 0 ? { ...rest, annotations: all } : rest;
}
