/** Whether a webhook or policy is for a request: rules, scope, selectors (k8s.io/apiserver/pkg/admission/plugin/webhook/predicates). */
import {
  errors,
  type KubeObject,
  type LabelSelector,
  type NamedRuleWithOperations,
  Namespace,
  type Selector,
  selectorFromObject,
} from '../../../api/index.ts';
import type { ResourceTable, ServedResource } from '../../registry/served-resource.ts';
import type { AdmissionRequest } from '../../request.ts';
import { readObject, type Storages } from '../../storages.ts';
import { equivalentResources, requestedResource } from './versions.ts';

export interface Criteria {
  readonly rules: readonly NamedRuleWithOperations[];
  readonly excludeRules: readonly NamedRuleWithOperations[];
  readonly matchPolicy: string;
  readonly namespaceSelector: Selector;
  readonly objectSelector: Selector;
}

/** Compiled once, when the configuration is read. */
export function criteriaOf(match: {
  rules?: readonly NamedRuleWithOperations[] | undefined;
  resourceRules?: readonly NamedRuleWithOperations[] | undefined;
  excludeResourceRules?: readonly NamedRuleWithOperations[] | undefined;
  matchPolicy?: string | undefined;
  namespaceSelector?: LabelSelector | undefined;
  objectSelector?: LabelSelector | undefined;
}): Criteria {
  return {
    rules: match.rules ?? match.resourceRules ?? [],
    excludeRules: match.excludeResourceRules ?? [],
    matchPolicy: match.matchPolicy ?? 'Equivalent',
    namespaceSelector: selectorFromObject(match.namespaceSelector ?? {}),
    objectSelector: selectorFromObject(match.objectSelector ?? {}),
  };
}

const configurationKinds = new Set([
  'mutatingwebhookconfigurations',
  'validatingwebhookconfigurations',
  'validatingadmissionpolicies',
  'validatingadmissionpolicybindings',
  'mutatingadmissionpolicies',
  'mutatingadmissionpolicybindings',
]);

/** Nobody can lock themselves out: what configures admission is never subject to webhooks. */
export function isExempt({ group, resource }: AdmissionRequest): boolean {
  return group === 'admissionregistration.k8s.io' && configurationKinds.has(resource);
}

const isNamespaces = ({ resource, group }: { resource: string; group: string }) => resource === 'namespaces' && group === '';

const listed = (list: readonly string[] | undefined, value: string) => list?.some((item) => item === '*' || item === value) ?? false;

function ruleMatches(rule: NamedRuleWithOperations, request: AdmissionRequest, group: string, version: string, resource: string): boolean {
  if (!listed(rule.operations, request.operation) || !listed(rule.apiGroups, group) || !listed(rule.apiVersions, version)) return false;
  const named = (rule.resources ?? []).some((text) => {
    const slash = text.indexOf('/');
    const wanted = slash < 0 ? text : text.slice(0, slash);
    const subresource = slash < 0 ? '' : text.slice(slash + 1);
    return (wanted === '*' || wanted === resource) && (subresource === '*' || subresource === request.subresource);
  });
  if (!named) return false;
  if (rule.resourceNames?.length && !rule.resourceNames.includes(request.name)) return false;
  if (rule.scope === undefined || rule.scope === '*') return true;
  // A request on a namespace carries its name as namespace, yet namespaces are of the cluster.
  const isNamespaced = request.namespace !== '' && !isNamespaces(request);
  return (rule.scope === 'Namespaced') === isNamespaced;
}

function rulesMatch(rules: readonly NamedRuleWithOperations[], criteria: Criteria, request: AdmissionRequest, table: ResourceTable) {
  const requested = requestedResource(table, request);
  if (!requested) return undefined;
  const matches = (rule: NamedRuleWithOperations, { resource: { group, version, plural } }: ServedResource) =>
    ruleMatches(rule, request, group, version, plural);
  if (rules.some((rule) => matches(rule, requested))) return requested;
  if (criteria.matchPolicy !== 'Equivalent') return undefined;
  const others = [...equivalentResources(table, requested)];
  // Earlier rules come first.
  for (const rule of rules) {
    const other = others.find((each) => matches(rule, each));
    if (other) return other;
  }
  return undefined;
}

/** Of what has metadata: the options of a connection have none, and match no selector. */
const labelsOf = (object: KubeObject | undefined) => object?.metadata && (object.metadata.labels ?? {});

function objectMatches(selector: Selector, { object, oldObject }: AdmissionRequest): boolean {
  if (selector.everything) return true;
  return [object, oldObject].some((o) => {
    const labels = labelsOf(o);
    return labels !== undefined && selector.matches(labels);
  });
}

async function namespaceMatches(selector: Selector, request: AdmissionRequest, storages: Storages): Promise<boolean> {
  if (selector.everything) return true;
  if (isNamespaces(request) && request.subresource === '' && (request.operation === 'CREATE' || request.operation === 'UPDATE'))
    return selector.matches(labelsOf(request.object) ?? {});
  const name = isNamespaces(request) ? request.name : request.namespace;
  // What is of the cluster and no namespace is never exempt.
  if (name === '') return true;
  const namespace = await readObject(storages, Namespace, '', name);
  if (!namespace) throw errors.notFound(Namespace, name);
  return selector.matches(namespace.metadata.labels ?? {});
}

/** The resource, in the version to be shown, that the criteria match the request as; undefined where they don't. */
export async function matchRequest(
  criteria: Criteria,
  request: AdmissionRequest,
  { storages, table }: { storages: Storages; table: ResourceTable },
): Promise<ServedResource | undefined> {
  // The cheap tests first: most configurations are for other resources.
  const matched = rulesMatch(criteria.rules, criteria, request, table);
  if (!matched) return undefined;
  if (criteria.excludeRules.length > 0 && rulesMatch(criteria.excludeRules, criteria, request, table)) return undefined;
  if (!objectMatches(criteria.objectSelector, request)) return undefined;
  return (await namespaceMatches(criteria.namespaceSelector, request, storages)) ? matched : undefined;
}
