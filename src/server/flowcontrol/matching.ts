/** Which requests a FlowSchema is for (k8s.io/apiserver/pkg/util/flowcontrol's rule matching). */
import type { FlowSchemaSpec, NonResourcePolicyRule, PolicyRulesWithSubjects, ResourcePolicyRule } from '../../api/index.ts';
import type { RequestInfo, UserInfo } from '../request.ts';

export type Matches = (user: UserInfo, info: RequestInfo) => boolean;

type Subject = PolicyRulesWithSubjects['subjects'][number];

const has = (list: readonly string[] | undefined, value: string) => list?.includes('*') === true || list?.includes(value) === true;

function subjectMatches({ kind, user, group, serviceAccount }: Subject): (asking: UserInfo) => boolean {
  if (kind === 'User') return (asking) => user?.name === '*' || asking.name === user?.name;
  if (kind === 'Group') return (asking) => group?.name === '*' || (group !== undefined && asking.groups.includes(group.name));
  if (kind !== 'ServiceAccount' || serviceAccount === undefined) return () => false;
  const prefix = `system:serviceaccount:${serviceAccount.namespace}:`;
  if (serviceAccount.name === '*') return (asking) => asking.name.startsWith(prefix);
  return (asking) => asking.name === prefix + serviceAccount.name;
}

const resourceRuleMatches = (rule: ResourcePolicyRule, { verb, apiGroup, resource, subresource, namespace }: RequestInfo) =>
  has(rule.verbs, verb) &&
  has(rule.apiGroups, apiGroup) &&
  has(rule.resources, subresource === '' ? resource : `${resource}/${subresource}`) &&
  (namespace === '' ? rule.clusterScope === true : has(rule.namespaces, namespace));

/** A URL stands for all below it too, with `/*` or without. */
function nonResourceRuleMatches({ verbs, nonResourceURLs }: NonResourcePolicyRule): (info: RequestInfo) => boolean {
  const urls = nonResourceURLs.map((url) => ({ url, below: `${url.replace(/\*$/, '').replace(/\/$/, '')}/` }));
  return ({ verb, path }) => has(verbs, verb) && urls.some(({ url, below }) => url === '*' || url === path || path.startsWith(below));
}

function ruleMatches(rule: PolicyRulesWithSubjects): Matches {
  const subjects = (rule.subjects ?? []).map(subjectMatches);
  const paths = rule.nonResourceRules?.map(nonResourceRuleMatches) ?? [];
  return (user, info) =>
    subjects.some((matches) => matches(user)) &&
    (info.isResourceRequest
      ? rule.resourceRules?.some((given) => resourceRuleMatches(given, info)) === true
      : paths.some((matches) => matches(info)));
}

export function compileSchema({ rules = [] }: FlowSchemaSpec): Matches {
  const compiled = rules.map(ruleMatches);
  return (user, info) => compiled.some((matches) => matches(user, info));
}

/** What tells a schema's flows from each other. */
export function distinguisherOf({ distinguisherMethod }: FlowSchemaSpec, user: UserInfo, info: RequestInfo): string {
  if (distinguisherMethod?.type === 'ByUser') return user.name;
  return distinguisherMethod?.type === 'ByNamespace' ? info.namespace : '';
}
