/** Which requests webhooks and policies are for: rules, selectors and their validation (pkg/apis/admissionregistration/validation). */
import { allowOneOf, reject } from '../core/checks.ts';
import type { FieldErrors, FieldPath } from '../fields.ts';
import type { MatchResources, NamedRuleWithOperations, RuleWithOperations } from '../generated/admissionregistration.v1.ts';
import { isPathSegmentName } from '../names.ts';
import { validateLabelSelector } from '../object-meta.ts';
import type { KubeObject } from '../resource.ts';

const operations = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];
const scopes = ['*', 'Cluster', 'Namespaced'];
export const failurePolicies = ['Fail', 'Ignore'];
export const matchPolicies = ['Equivalent', 'Exact'];
export const reinvocationPolicies = ['IfNeeded', 'Never'];

/** A list that must not be empty, and in which `*` stands alone. */
function validateList(list: readonly string[] | undefined, path: FieldPath, what: string, errors: FieldErrors): void {
  if (!list?.length) errors.required(path);
  else if (list.length > 1 && list.includes('*')) errors.invalid(path, list, `if '*' is present, must not specify other ${what}`);
}

function validateResources(resources: readonly string[] | undefined, path: FieldPath, errors: FieldErrors): void {
  if (!resources?.length) {
    errors.required(path);
    return;
  }
  const allSubresourcesOf = new Set<string>();
  const subresourceOfAll = new Set<string>();
  // As upstream, which looks at the last of those without a subresource only.
  let lastIsResource = false;
  for (const [i, text] of resources.entries()) {
    const at = path.index(i);
    if (text === '') {
      errors.required(at);
      continue;
    }
    const slash = text.indexOf('/');
    if (slash < 0) {
      lastIsResource = text !== '*';
      continue;
    }
    const resource = text.slice(0, slash);
    const subresource = text.slice(slash + 1);
    if (allSubresourcesOf.has(resource)) errors.invalid(at, text, `if '${resource}/*' is present, must not specify ${text}`);
    if (subresourceOfAll.has(subresource)) errors.invalid(at, text, `if '*/${subresource}' is present, must not specify ${text}`);
    if (subresource === '*') allSubresourcesOf.add(resource);
    if (resource === '*') subresourceOfAll.add(subresource);
  }
  if (resources.length > 1 && resources.includes('*/*'))
    errors.invalid(path, resources, "if '*/*' is present, must not specify other resources");
  if (resources.includes('*') && lastIsResource)
    errors.invalid(path, resources, "if '*' is present, must not specify other resources without subresources");
}

export function validateRule(rule: RuleWithOperations, path: FieldPath, errors: FieldErrors): void {
  validateList(rule.operations, path.child('operations'), 'operations', errors);
  for (const [i, operation] of (rule.operations ?? []).entries())
    allowOneOf(errors, path.child('operations').index(i), operation, operations);
  validateList(rule.apiGroups, path.child('apiGroups'), 'API groups', errors);
  const versionsPath = path.child('apiVersions');
  validateList(rule.apiVersions, versionsPath, 'API versions', errors);
  for (const [i, version] of (rule.apiVersions ?? []).entries()) if (version === '') errors.required(versionsPath.index(i));
  validateResources(rule.resources, path.child('resources'), errors);
  allowOneOf(errors, path.child('scope'), rule.scope, scopes);
}

function validateNamedRule(rule: NamedRuleWithOperations, path: FieldPath, errors: FieldErrors): void {
  const names = path.child('resourceNames');
  for (const [i, name] of (rule.resourceNames ?? []).entries()) {
    reject(errors, names.index(i), name, isPathSegmentName(name));
    if ((rule.resourceNames ?? []).indexOf(name) < i) errors.duplicate(names.index(i), name);
  }
  validateRule(rule, path, errors);
}

export function validateMatchResources(match: MatchResources | undefined, path: FieldPath, errors: FieldErrors): void {
  if (!match) return;
  if (match.matchPolicy === undefined) errors.required(path.child('matchPolicy'));
  else allowOneOf(errors, path.child('matchPolicy'), match.matchPolicy, matchPolicies);
  for (const field of ['namespaceSelector', 'objectSelector'] as const) {
    if (!match[field]) errors.required(path.child(field));
    else validateLabelSelector(match[field], path.child(field), errors);
  }
  for (const field of ['resourceRules', 'excludeResourceRules'] as const)
    for (const [i, rule] of (match[field] ?? []).entries()) validateNamedRule(rule, path.child(field).index(i), errors);
}

/** Names that will be those of configurations from files alone (ManifestBasedAdmissionControlConfig, KEP-5793). */
export function warnOfReservedName({ metadata }: KubeObject): string[] {
  if (!metadata.name?.endsWith('.static.k8s.io')) return [];
  return [
    'metadata.name: names ending with ".static.k8s.io" will be reserved for static manifest-based configurations when the ManifestBasedAdmissionControlConfig feature gate is enabled',
  ];
}

/** Rules are for both scopes where they don't say. */
export function defaultRules(rules: readonly RuleWithOperations[] | undefined): void {
  for (const rule of rules ?? []) rule.scope ??= '*';
}

export function defaultMatchResources(match: MatchResources | undefined): void {
  if (!match) return;
  match.matchPolicy ??= 'Equivalent';
  match.namespaceSelector ??= {};
  match.objectSelector ??= {};
  defaultRules(match.resourceRules);
  defaultRules(match.excludeResourceRules);
}
