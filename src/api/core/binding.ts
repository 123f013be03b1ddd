import { FieldPath } from '../fields.ts';
import type { Binding as BindingObject } from '../generated/core.v1.ts';
import { defineKind } from '../kind.ts';
import type { Resource } from '../resource.ts';

export type Binding = BindingObject;
/** Served at `bindings` and, as people use it, at `pods/NAME/binding`. */
export const Binding: Resource<BindingObject> = { group: '', version: 'v1', kind: 'Binding', plural: 'bindings', namespaced: true };

const targetPath = new FieldPath('target');

/** Ties a pod to a node: a create is an order to the pod's registry, and nothing of its own is stored. */
export const binding = defineKind<BindingObject>({
  resource: Binding,
  virtual: true,
  verbs: ['create'],
  validate({ target }, errors) {
    const { kind, name } = target ?? {};
    if (kind && kind !== 'Node') errors.notSupported(targetPath.child('kind'), kind, ['Node', '<empty>']);
    if (!name) errors.required(targetPath.child('name'));
  },
});
