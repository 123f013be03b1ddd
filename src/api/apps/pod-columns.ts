/** The wide columns of kinds that carry a pod template. */
import type { PodSpec } from '../generated/core.v1.ts';
import type { LabelSelector } from '../generated/meta.v1.ts';
import type { Column } from '../kind.ts';
import type { KubeObject } from '../resource.ts';
import { formatLabelSelector } from '../selectors.ts';

const wide = (name: string, description: string, value: Column['value']): Column => ({
  name,
  type: 'string',
  priority: 1,
  description,
  value,
});

/** CONTAINERS and IMAGES: names and images of a template's containers. */
export function containerColumns<T extends KubeObject>(spec: (obj: T) => PodSpec | undefined): Column<T>[] {
  // The registry calls a kind's columns with objects of that kind.
  const containers = (obj: KubeObject) => spec(obj as T)?.containers ?? [];
  return [
    wide('Containers', 'Names of each container in the template.', (obj) =>
      containers(obj)
        .map((c) => c.name)
        .join(','),
    ),
    wide('Images', 'Images referenced by each container in the template.', (obj) =>
      containers(obj)
        .map((c) => c.image ?? '')
        .join(','),
    ),
  ];
}

/** SELECTOR: a label selector in its string form. */
export function selectorColumn<T extends KubeObject>(description: string, selector: (obj: T) => LabelSelector | undefined): Column<T> {
  return wide('Selector', description, (obj) => formatLabelSelector(selector(obj as T)));
}
