/** Validation and printing that roles and bindings share (upstream: pkg/apis/rbac/validation). */
import { type FieldErrors, FieldPath } from '../fields.ts';
import type { PolicyRule, RoleRef, Subject } from '../generated/rbac.v1.ts';
import type { Column } from '../kind.ts';
import { isPathSegmentName, nameIsDnsSubdomain } from '../names.ts';
import { ageColumn, nameColumn } from '../printing.ts';
import type { KubeObject } from '../resource.ts';

export const rbacGroup = 'rbac.authorization.k8s.io';
const serviceAccountGroup = '';

export function validateRules(rules: readonly PolicyRule[] | undefined, namespaced: boolean, errors: FieldErrors): void {
  for (const [i, rule] of (rules ?? []).entries()) validateRule(rule, namespaced, new FieldPath('rules').index(i), errors);
}

function validateRule(rule: PolicyRule, namespaced: boolean, path: FieldPath, errors: FieldErrors): void {
  const { verbs = [], nonResourceURLs = [], apiGroups = [], resources = [], resourceNames = [] } = rule;
  if (verbs.length === 0) errors.required(path.child('verbs'), 'verbs must contain at least one value');
  if (nonResourceURLs.length > 0) {
    if (namespaced) errors.invalid(path.child('nonResourceURLs'), nonResourceURLs, 'namespaced rules cannot apply to non-resource URLs');
    if (apiGroups.length > 0 || resources.length > 0 || resourceNames.length > 0)
      errors.invalid(path.child('nonResourceURLs'), nonResourceURLs, 'rules cannot apply to both regular resources and non-resource URLs');
    return;
  }
  if (apiGroups.length === 0) errors.required(path.child('apiGroups'), 'resource rules must supply at least one api group');
  if (resources.length === 0) errors.required(path.child('resources'), 'resource rules must supply at least one resource');
}

export function defaultSubject(subject: Subject): void {
  if (subject.apiGroup) return;
  if (subject.kind === 'User' || subject.kind === 'Group') subject.apiGroup = rbacGroup;
}

/** Bindings' subjects; a service account may go without a namespace where the binding has one. */
export function validateSubjects(subjects: readonly Subject[] | undefined, namespaced: boolean, errors: FieldErrors): void {
  for (const [i, subject] of (subjects ?? []).entries()) validateSubject(subject, namespaced, new FieldPath('subjects').index(i), errors);
}

function validateSubject(subject: Subject, namespaced: boolean, path: FieldPath, errors: FieldErrors): void {
  const { kind = '', name = '', apiGroup = '', namespace = '' } = subject;
  if (name === '') errors.required(path.child('name'));
  switch (kind) {
    case 'ServiceAccount':
      if (name !== '') for (const message of nameIsDnsSubdomain(name, false)) errors.invalid(path.child('name'), name, message);
      if (apiGroup !== serviceAccountGroup) errors.notSupported(path.child('apiGroup'), apiGroup, ['']);
      if (!namespaced && namespace === '') errors.required(path.child('namespace'));
      break;
    case 'User':
    case 'Group':
      if (apiGroup !== rbacGroup) errors.notSupported(path.child('apiGroup'), apiGroup, [rbacGroup]);
      break;
    default:
      errors.notSupported(path.child('kind'), kind, ['ServiceAccount', 'User', 'Group']);
  }
}

export function validateRoleRef(roleRef: RoleRef | undefined, kinds: readonly string[], errors: FieldErrors): void {
  const path = new FieldPath('roleRef');
  const { apiGroup = '', kind = '', name = '' } = roleRef ?? {};
  if (apiGroup !== rbacGroup) errors.notSupported(path.child('apiGroup'), apiGroup, [rbacGroup]);
  if (!kinds.includes(kind)) errors.notSupported(path.child('kind'), kind, kinds);
  if (name === '') errors.required(path.child('name'));
  else for (const message of isPathSegmentName(name)) errors.invalid(path.child('name'), name, message);
}

interface Binding extends KubeObject {
  subjects?: Subject[];
  roleRef: RoleRef;
}

const subjectColumn = (name: string, description: string, cell: (subjects: readonly Subject[]) => string[]): Column<Binding> => ({
  name,
  priority: 1,
  description,
  value: ({ subjects }) => cell(subjects ?? []).join(', '),
});

const named = (kind: string) => (subjects: readonly Subject[]) => subjects.filter((s) => s.kind === kind).map((s) => s.name);

/** Whom a binding gives what, for bindings that say of themselves that they are a `what`. */
export function bindingColumns(what: 'roleBinding' | 'clusterRoleBinding', roleDoc: string): Column<Binding>[] {
  return [
    nameColumn,
    { name: 'Role', description: roleDoc, value: ({ roleRef }) => `${roleRef.kind}/${roleRef.name}` },
    ageColumn,
    subjectColumn('Users', `Users in the ${what}`, named('User')),
    subjectColumn('Groups', `Groups in the ${what}`, named('Group')),
    subjectColumn('ServiceAccounts', `ServiceAccounts in the ${what}`, (subjects) =>
      subjects.filter((s) => s.kind === 'ServiceAccount').map((s) => `${s.namespace ?? ''}/${s.name}`),
    ),
  ];
}
