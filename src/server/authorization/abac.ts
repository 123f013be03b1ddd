import type { Attributes, Authorizer } from '../request.ts';

interface AbacPolicy {
  user?: string;
  group?: string;
  namespace?: string;
  resource?: string;
  apiGroup?: string;
  nonResourcePath?: string;
  readonly?: boolean;
}

/** --authorization-policy-file: a JSON object `{"apiVersion": "abac.authorization.kubernetes.io/v1beta1", "kind": "Policy", "spec": {...}}` a line. */
export function parseAbacPolicy(text: string): AbacPolicy[] {
  const policies: AbacPolicy[] = [];
  for (const [at, line] of text.split('\n').entries()) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    const policy = JSON.parse(trimmed) as { kind?: string; spec?: AbacPolicy };
    if (policy.kind !== 'Policy' || policy.spec === undefined) throw new Error(`policy file line ${at + 1}: not a v1beta1 Policy`);
    policies.push(policy.spec);
  }
  return policies;
}

const reads = new Set(['get', 'list', 'watch']);

/** Attribute-based access control from a file. */
export function abac(policies: readonly AbacPolicy[]): Authorizer {
  const allows = (p: AbacPolicy, a: Attributes) => {
    if (!p.user && !p.group) return false;
    if (p.user && p.user !== '*' && p.user !== a.user.name) return false;
    if (p.group && p.group !== '*' && !a.user.groups.includes(p.group)) return false;
    if (p.readonly && !reads.has(a.verb)) return false;
    if (!a.isResourceRequest) {
      const path = p.nonResourcePath ?? '';
      return path === '*' || path === a.path || (path.endsWith('*') && path !== '' && a.path.startsWith(path.slice(0, -1)));
    }
    const is = (rule: string | undefined, value: string) => rule === '*' || (rule ?? '') === value;
    return is(p.namespace, a.namespace) && is(p.resource, a.resource) && is(p.apiGroup, a.apiGroup);
  };
  return {
    authorize: (a) =>
      policies.some((p) => allows(p, a)) ? { decision: 'allow', reason: '' } : { decision: 'noOpinion', reason: 'No policy matched.' },
  };
}
