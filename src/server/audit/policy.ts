/** The audit policy (audit.k8s.io/v1 Policy, --audit-policy-file): which requests are recorded, and how much of them. */

import { parseAllDocuments } from 'yaml';
import {
  aggregateMessage,
  FieldErrors,
  FieldPath,
  fieldErrorMessage,
  isDns1123Subdomain,
  isJsonObject,
  yamlOptions,
} from '../../api/index.ts';
import type { Attributes } from '../request.ts';
import { type Level, levels, type Stage, stages } from './event.ts';

export interface GroupResources {
  /** `*`: any. */
  group?: string;
  /** `pods`, `pods/log`, `pods/*`, `*`, or `*` with a subresource; empty: all. */
  resources?: string[];
  resourceNames?: string[];
}

export interface PolicyRule {
  level: Level;
  users?: string[];
  userGroups?: string[];
  verbs?: string[];
  resources?: GroupResources[];
  namespaces?: string[];
  nonResourceURLs?: string[];
  omitStages?: Stage[];
  omitManagedFields?: boolean;
}

export interface Policy {
  rules: PolicyRule[];
  omitStages?: Stage[];
  omitManagedFields?: boolean;
}

/** What is to be recorded of a request. */
export interface RequestAudit {
  level: Level;
  omitStages: readonly Stage[];
  omitManagedFields: boolean;
}

const lists = ['users', 'userGroups', 'verbs', 'namespaces', 'nonResourceURLs', 'omitStages'] as const;
const ruleFields = new Set<string>(['level', 'resources', 'omitManagedFields', ...lists]);
const resourceFields = new Set(['group', 'resources', 'resourceNames']);
const policyFields = new Set(['apiVersion', 'kind', 'metadata', 'rules', 'omitStages', 'omitManagedFields']);

/** Checks the types of fields. Answers what is there that nobody knows: a misspelt field may make for too little in the log. */
function checkShape(document: Record<string, unknown>): string[] {
  const problems: string[] = [];
  const known = (value: Record<string, unknown>, fields: ReadonlySet<string>, at: string) => {
    for (const name of Object.keys(value)) if (!fields.has(name)) problems.push(`unknown field "${at}${name}"`);
  };
  const strings = (value: unknown, path: string) => {
    if (value === undefined || value === null) return;
    if (!Array.isArray(value)) throw new Error(`json: cannot unmarshal ${typeof value} into Go struct field ${path} of type []string`);
    for (const item of value)
      if (typeof item !== 'string') throw new Error(`json: cannot unmarshal ${typeof item} into Go struct field ${path} of type string`);
  };
  known(document, policyFields, '');
  strings(document.omitStages, 'Policy.omitStages');
  const { rules = [] } = document;
  if (rules !== null && !Array.isArray(rules))
    throw new Error(`json: cannot unmarshal ${typeof rules} into Go struct field Policy.rules of type []v1.PolicyRule`);
  for (const [i, rule] of ((rules ?? []) as unknown[]).entries()) {
    if (!isJsonObject(rule))
      throw new Error(`json: cannot unmarshal ${typeof rule} into Go struct field Policy.rules of type v1.PolicyRule`);
    known(rule, ruleFields, `rules[${i}].`);
    for (const field of lists) strings(rule[field], `PolicyRule.rules.${field}`);
    if (rule.level !== undefined && typeof rule.level !== 'string')
      throw new Error(`json: cannot unmarshal ${typeof rule.level} into Go struct field PolicyRule.rules.level of type v1.Level`);
    if (rule.omitManagedFields != null && typeof rule.omitManagedFields !== 'boolean')
      throw new Error(
        `json: cannot unmarshal ${typeof rule.omitManagedFields} into Go struct field PolicyRule.rules.omitManagedFields of type bool`,
      );
    const { resources } = rule;
    if (resources != null && !Array.isArray(resources))
      throw new Error(
        `json: cannot unmarshal ${typeof resources} into Go struct field PolicyRule.rules.resources of type []v1.GroupResources`,
      );
    for (const [j, group] of ((resources ?? []) as unknown[]).entries()) {
      if (!isJsonObject(group))
        throw new Error(`json: cannot unmarshal ${typeof group} into Go struct field PolicyRule.rules.resources of type v1.GroupResources`);
      known(group, resourceFields, `rules[${i}].resources[${j}].`);
      strings(group.resources, 'GroupResources.rules.resources.resources');
      strings(group.resourceNames, 'GroupResources.rules.resources.resourceNames');
    }
  }
  return problems;
}

/** Reads and checks a policy. Throws in upstream's words; what of it is not known is only told. */
export function parsePolicy(text: string, onUnknown: (problem: string) => void = () => {}): Policy {
  let document: unknown;
  try {
    const [first] = parseAllDocuments(text, { ...yamlOptions, uniqueKeys: false });
    if (first !== undefined && 'errors' in first && first.errors[0]) throw first.errors[0];
    document = first && 'toJS' in first ? first.toJS({ maxAliasCount: 100 }) : undefined;
  } catch (error) {
    throw new Error(`failed decoding: yaml: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isJsonObject(document)) throw new Error("failed decoding: Object 'Kind' is missing in 'null'");
  const { apiVersion = '', kind = '' } = document;
  if (kind === '') throw new Error(`failed decoding: Object 'Kind' is missing in '${text}'`);
  if (apiVersion === '') throw new Error(`failed decoding: Object 'apiVersion' is missing in '${text}'`);
  if (apiVersion !== 'audit.k8s.io/v1' || kind !== 'Policy')
    throw new Error(
      `failed decoding: no kind "${kind}" is registered for version "${apiVersion}" in scheme "k8s.io/apiserver/pkg/audit/scheme.go:30"`,
    );
  try {
    const unknown = checkShape(document);
    if (unknown.length > 0) onUnknown(`strict decoding error: ${unknown.join(', ')}`);
  } catch (error) {
    throw new Error(`failed decoding: ${error instanceof Error ? error.message : String(error)}`);
  }
  const policy = { ...document, rules: document.rules ?? [] } as unknown as Policy; // its shape was checked just above
  const problems = validatePolicy(policy);
  if (problems !== undefined) throw new Error(problems);
  if (policy.rules.length === 0) throw new Error('loaded illegal policy with 0 rules');
  return policy;
}

/** Upstream's aggregate of what is wrong; undefined where nothing is. */
function validatePolicy(policy: Policy): string | undefined {
  const problems = new FieldErrors();
  for (const [i, rule] of policy.rules.entries()) validateRule(rule, new FieldPath('rules').index(i), problems);
  validateStages(policy.omitStages, new FieldPath('omitStages'), problems);
  if (problems.ok) return undefined;
  return aggregateMessage(problems.list.map(fieldErrorMessage));
}

function validateRule(rule: PolicyRule, at: FieldPath, problems: FieldErrors): void {
  if (!rule.level) problems.required(at.child('level'), '');
  else if (!levels.includes(rule.level)) problems.notSupported(at.child('level'), rule.level, [...levels]);
  for (const [i, url] of (rule.nonResourceURLs ?? []).entries()) {
    if (url === '*') continue;
    const path = at.child('nonResourceURLs').index(i);
    if (!url.startsWith('/')) problems.invalid(path, url, "non-resource URL rules must begin with a '/' character");
    if (url.slice(0, -1).includes('*'))
      problems.invalid(path, url, "non-resource URL wildcards '*' must be the final character of the rule");
  }
  for (const { group = '', resources = [], resourceNames = [] } of rule.resources ?? []) {
    const wrong = group === '' || group === '*' ? [] : isDns1123Subdomain(group);
    if (wrong.length > 0) problems.invalid(at.child('resources').child('group'), group, wrong.join(','));
    if (resourceNames.length > 0 && resources.length === 0)
      problems.invalid(at.child('resources').child('resourceNames'), resourceNames, 'using resourceNames requires at least one resource');
  }
  validateStages(rule.omitStages, at.child('omitStages'), problems);
  if (rule.nonResourceURLs?.length && (rule.resources?.length || rule.namespaces?.length))
    problems.invalid(
      at.child('nonResourceURLs'),
      rule.nonResourceURLs,
      'rules cannot apply to both regular resources and non-resource URLs',
    );
}

function validateStages(given: readonly Stage[] | undefined, at: FieldPath, problems: FieldErrors): void {
  for (const [i, stage] of (given ?? []).entries())
    if (!stages.includes(stage)) problems.invalid(at.index(i), stage, `allowed stages are ${stages.join(',')}`);
}

/** The first rule that matches decides; without one nothing is recorded. */
export function evaluatePolicy(policy: Policy): (attributes: Attributes) => RequestAudit {
  const compiled = policy.rules.map((rule) => ({
    rule,
    audit: {
      level: rule.level,
      omitStages: [...new Set([...(policy.omitStages ?? []), ...(rule.omitStages ?? [])])],
      omitManagedFields: rule.omitManagedFields ?? policy.omitManagedFields ?? false,
    },
  }));
  const nothing: RequestAudit = { level: 'None', omitStages: policy.omitStages ?? [], omitManagedFields: false };
  return (attributes) => compiled.find(({ rule }) => matches(rule, attributes))?.audit ?? nothing;
}

function matches(rule: PolicyRule, attributes: Attributes): boolean {
  const { users, userGroups, verbs, namespaces, resources, nonResourceURLs } = rule;
  if (users?.length && !users.includes(attributes.user.name)) return false;
  if (userGroups?.length && !attributes.user.groups.some((group) => userGroups.includes(group))) return false;
  if (verbs?.length && !verbs.includes(attributes.verb)) return false;
  if (namespaces?.length || resources?.length) {
    if (!attributes.isResourceRequest) return false;
    // Of cluster-scoped resources the namespace is empty.
    if (namespaces?.length && !namespaces.includes(attributes.namespace)) return false;
    return !resources?.length || resources.some((group) => matchesResource(group, attributes));
  }
  if (nonResourceURLs?.length) return !attributes.isResourceRequest && nonResourceURLs.some((spec) => matchesPath(spec, attributes.path));
  return true;
}

function matchesPath(spec: string, path: string): boolean {
  return spec === '*' || spec === path || (spec.endsWith('*') && path.startsWith(spec.replace(/\*+$/, '')));
}

function matchesResource({ group = '', resources, resourceNames }: GroupResources, attributes: Attributes): boolean {
  if (group !== '*' && group !== attributes.apiGroup) return false;
  if (!resources?.length) return true;
  if (resourceNames?.length && !resourceNames.includes(attributes.name)) return false;
  const { resource, subresource } = attributes;
  const combined = subresource === '' ? resource : `${resource}/${subresource}`;
  return resources.some(
    (given) => given === '*' || given === combined || given === `${resource}/*` || (subresource !== '' && given === `*/${subresource}`),
  );
}
