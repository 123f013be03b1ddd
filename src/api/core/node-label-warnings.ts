/** Node labels that have a newer name, wherever nodes are chosen by label (upstream: pkg/api/node). */
import type { FieldPath } from '../fields.ts';
import type { NodeSelectorTerm } from '../generated/core.v1.ts';
import type { LabelSelector } from '../generated/meta.v1.ts';
import { isLabelValue } from '../names.ts';

const deprecated: Record<string, string> = {
  'beta.kubernetes.io/arch': 'deprecated since v1.14; use "kubernetes.io/arch" instead',
  'beta.kubernetes.io/os': 'deprecated since v1.14; use "kubernetes.io/os" instead',
  'failure-domain.beta.kubernetes.io/region': 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
  'failure-domain.beta.kubernetes.io/zone': 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
  'beta.kubernetes.io/instance-type': 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
  'app.kubernetes.io/created-by': 'deprecated since v1.9',
  'scheduler.alpha.kubernetes.io/preferAvoidPods': 'deprecated since v1.22; use Taints and Tolerations instead',
  'node-role.kubernetes.io/master': 'use "node-role.kubernetes.io/control-plane" instead',
};

/** What is to be said of a label's key, where it is an old one. */
export const oldNodeLabel = (key: string): string | undefined => (Object.hasOwn(deprecated, key) ? deprecated[key] : undefined);

/** Of a map whose keys are labels of nodes; `at` names the place of one. */
export function nodeLabelMapWarnings(labels: Readonly<Record<string, string>> | undefined, at: (key: string) => FieldPath): string[] {
  return Object.keys(labels ?? {}).flatMap((key) => {
    const message = oldNodeLabel(key);
    return message === undefined ? [] : [`${at(key)}: ${message}`];
  });
}

/** Of a term that selects nodes. `checkValues` where validation lets through values that no label can have. */
export function nodeTermWarnings(term: NodeSelectorTerm, checkValues: boolean, path: FieldPath): string[] {
  return (term.matchExpressions ?? []).flatMap(({ key, values = [] }, i) => {
    const at = path.child('matchExpressions').index(i);
    const message = oldNodeLabel(key);
    const warnings = message === undefined ? [] : [`${at.child('key')}: ${key} is ${message}`];
    if (checkValues)
      for (const [v, value] of values.entries())
        for (const wrong of isLabelValue(value)) warnings.push(`${at.child('values').index(v)}: ${value} is invalid, ${wrong}`);
    return warnings;
  });
}

/** Of a label selector that selects nodes. */
export function nodeSelectorWarnings({ matchExpressions, matchLabels }: LabelSelector, path: FieldPath): string[] {
  return [
    ...nodeTermWarnings({ matchExpressions: (matchExpressions ?? []) as NodeSelectorTerm['matchExpressions'] & object }, false, path),
    ...nodeLabelMapWarnings(matchLabels, (key) => path.child('matchLabels', key)),
  ];
}
