import { goQuote, type PolicyRule } from '../../../api/index.ts';
import type { Attributes } from '../../request.ts';

const has = (list: readonly string[] | undefined, value: string) => list?.includes('*') === true || list?.includes(value) === true;

function resourceMatches(rule: PolicyRule, resource: string, subresource: string): boolean {
  const combined = subresource === '' ? resource : `${resource}/${subresource}`;
  for (const r of rule.resources ?? []) {
    if (r === '*' || r === combined) return true;
    if (subresource !== '' && r === `*/${subresource}`) return true;
  }
  return false;
}

function pathMatches(rule: PolicyRule, path: string): boolean {
  for (const url of rule.nonResourceURLs ?? []) {
    if (url === '*' || url === path) return true;
    if (url.endsWith('*') && path.startsWith(url.replace(/\*+$/, ''))) return true;
  }
  return false;
}

export function ruleAllows(rule: PolicyRule, a: Attributes): boolean {
  if (!has(rule.verbs, a.verb)) return false;
  if (!a.isResourceRequest) return pathMatches(rule, a.path);
  if (!has(rule.apiGroups, a.apiGroup) || !resourceMatches(rule, a.resource, a.subresource)) return false;
  const names = rule.resourceNames ?? [];
  return names.length === 0 || names.includes(a.name);
}

export function rulesAllow(rules: readonly PolicyRule[], attributes: Attributes): boolean {
  return rules.some((rule) => ruleAllows(rule, attributes));
}

/** A rule in its smallest parts: one verb, one group, one resource (and name), or one verb and path. */
export function breakdown(rule: PolicyRule): PolicyRule[] {
  const parts: PolicyRule[] = [];
  for (const verb of rule.verbs ?? []) {
    for (const group of rule.apiGroups ?? [])
      for (const resource of rule.resources ?? []) {
        const part = { verbs: [verb], apiGroups: [group], resources: [resource] };
        if (rule.resourceNames?.length) for (const name of rule.resourceNames) parts.push({ ...part, resourceNames: [name] });
        else parts.push(part);
      }
    for (const url of rule.nonResourceURLs ?? []) parts.push({ verbs: [verb], nonResourceURLs: [url] });
  }
  return parts;
}

function covers(owner: PolicyRule, part: PolicyRule): boolean {
  const subset = (owned: readonly string[] | undefined, wanted: readonly string[] | undefined) =>
    owned?.includes('*') === true || (wanted ?? []).every((w) => owned?.includes(w) === true);
  if (!subset(owner.verbs, part.verbs)) return false;
  if (part.nonResourceURLs?.length)
    return part.nonResourceURLs.every(
      (url) =>
        owner.nonResourceURLs?.some((o) => o === '*' || o === url || (o.endsWith('*') && url.startsWith(o.replace(/\*+$/, '')))) === true,
    );
  if (!subset(owner.apiGroups, part.apiGroups)) return false;
  const resourcesCovered = (part.resources ?? []).every((r) => {
    const at = r.indexOf('/');
    return owner.resources?.some((o) => o === '*' || o === r || (at > 0 && o === `*/${r.slice(at + 1)}`)) === true;
  });
  if (!resourcesCovered) return false;
  if (!owner.resourceNames?.length) return true;
  return part.resourceNames?.length ? part.resourceNames.every((n) => owner.resourceNames?.includes(n)) : false;
}

/** What of `wanted` is not covered by `owned`, in its smallest parts. */
export function uncoveredRules(owned: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  return wanted.flatMap(breakdown).filter((part) => !owned.some((o) => covers(o, part)));
}

/** Joins parts that differ in verbs only, as upstream does before it prints them; of paths it joins nothing. */
export function compactRules(parts: readonly PolicyRule[]): PolicyRule[] {
  const byPlace = new Map<string, PolicyRule>();
  const ofPaths: PolicyRule[] = [];
  for (const part of parts) {
    if (part.nonResourceURLs?.length) {
      ofPaths.push(part);
      continue;
    }
    const key = JSON.stringify([part.apiGroups, part.resources, part.resourceNames]);
    const known = byPlace.get(key);
    if (known === undefined) byPlace.set(key, { ...part, verbs: [...part.verbs] });
    else known.verbs.push(...part.verbs);
  }
  return [...ofPaths, ...byPlace.values()];
}

const strings = (list: readonly string[]) => `[${list.map(goQuote).join(' ')}]`;

/** `{APIGroups:["apps"], Resources:["deployments"], Verbs:["get" "list"]}`: a rule as upstream's messages show it. */
export function describeRule(rule: PolicyRule): string {
  const parts: string[] = [];
  if (rule.apiGroups?.length) parts.push(`APIGroups:${strings(rule.apiGroups)}`);
  if (rule.resources?.length) parts.push(`Resources:${strings(rule.resources)}`);
  if (rule.nonResourceURLs?.length) parts.push(`NonResourceURLs:${strings(rule.nonResourceURLs)}`);
  if (rule.resourceNames?.length) parts.push(`ResourceNames:${strings(rule.resourceNames)}`);
  if (rule.verbs?.length) parts.push(`Verbs:${strings(rule.verbs)}`);
  return `{${parts.join(', ')}}`;
}
