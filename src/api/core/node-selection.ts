/** Which nodes a node selector or a pod's spec asks for (component-helpers/scheduling/corev1/nodeaffinity). */
import type { NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodSpec } from '../generated/core.v1.ts';
import type { Labels } from '../selectors.ts';

const integer = /^[+-]?\d{1,19}$/;

function satisfied({ key, operator, values = [] }: NodeSelectorRequirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
    case 'Lt': {
      const bound = values[0] ?? '';
      if (value === undefined || !integer.test(value) || !integer.test(bound)) return false;
      return operator === 'Gt' ? BigInt(value) > BigInt(bound) : BigInt(value) < BigInt(bound);
    }
    default:
      return false;
  }
}

/** Whether a term selects the node. An empty term selects none. */
export function termSelectsNode(term: NodeSelectorTerm, nodeName: string, labels: Labels): boolean {
  const { matchExpressions = [], matchFields = [] } = term;
  if (matchExpressions.length + matchFields.length === 0) return false;
  const fields = { 'metadata.name': nodeName };
  return matchExpressions.every((r) => satisfied(r, labels)) && matchFields.every((r) => satisfied(r, fields));
}

/** Whether any of a selector's terms selects the node. */
export function selectorSelectsNode(selector: NodeSelector, nodeName: string, labels: Labels): boolean {
  return selector.nodeSelectorTerms.some((term) => termSelectsNode(term, nodeName, labels));
}

/** Whether a node has what a pod's nodeSelector and required node affinity ask for. */
export function matchesRequiredNodeAffinity(
  { nodeSelector, affinity }: Pick<PodSpec, 'nodeSelector' | 'affinity'>,
  nodeName: string,
  labels: Labels,
): boolean {
  for (const key in nodeSelector) if (labels[key] !== nodeSelector[key]) return false;
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return !required || selectorSelectsNode(required, nodeName, labels);
}
