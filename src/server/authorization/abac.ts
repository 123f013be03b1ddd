import type { Attributes, Authorizer, NonResourceRule, ResourceRule, UserInfo } from '../request.ts';

interface PolicySpec {
  user?: string;
  group?: string;
  namespace?: string;
  resource?: string;
  apiGroup?: string;
  nonResourcePath?: string;
  readonly?: boolean;
}

const everybody = 'system:authenticated';

/** A star is whoever is known, not strangers. */
const withoutStars = (spec: PolicySpec): PolicySpec =>
  spec.user === '*' || spec.group === '*' ? { ...spec, user: '', group: everybody } : spec;

/** Before v1beta1 what was left out meant all, and no policy was of an API group. */
function fromUnversioned({ user = '', group = '', namespace = '', resource = '', readonly = false }: PolicySpec): PolicySpec {
  return withoutStars({
    user,
    group: user === '' && group === '' ? everybody : group,
    namespace: namespace || '*',
    resource: resource || '*',
    apiGroup: '*',
    nonResourcePath: namespace === '' && resource === '' ? '*' : '',
    readonly,
  });
}

function policyOf(line: string): PolicySpec {
  const document: unknown = JSON.parse(line);
  if (typeof document !== 'object' || document === null || Array.isArray(document)) throw new Error('it is no object');
  const { kind = '', apiVersion = '', spec, ...unversioned } = document as { kind?: string; apiVersion?: string; spec?: PolicySpec };
  if (kind === '' || apiVersion === '') return fromUnversioned(unversioned as PolicySpec);
  if (kind !== 'Policy' || apiVersion !== 'abac.authorization.kubernetes.io/v1beta1')
    throw new Error(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`);
  return withoutStars(spec ?? {});
}

export interface PolicyFile {
  /** Its name, for messages. */
  file: string;
  text: string;
}

/**
 * --authorization-policy-file: a JSON object a line, `{"apiVersion": "abac.authorization.kubernetes.io/v1beta1", "kind": "Policy",
 * "spec": {...}}`, or as it was before that: the spec alone.
 */
export function parseAbacPolicy({ file, text }: PolicyFile): PolicySpec[] {
  return text.split('\n').flatMap((line, i) => {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) return [];
    try {
      return [policyOf(trimmed)];
    } catch (error) {
      throw new Error(
        `error reading policy file ${file}, line ${i + 1}: ${line}: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  });
}

const reading = ['get', 'list', 'watch'];

/** Both the user and the group that a policy names; one without either is nobody's. */
function isFor({ user, group }: PolicySpec, { name, groups }: UserInfo): boolean {
  if (!user && !group) return false;
  return (!user || user === name) && (!group || groups.includes(group));
}

const is = (rule: string | undefined, value: string) => rule === '*' || (rule ?? '') === value;

function isAbout(policy: PolicySpec, a: Attributes): boolean {
  if (a.isResourceRequest) return is(policy.namespace, a.namespace) && is(policy.resource, a.resource) && is(policy.apiGroup, a.apiGroup);
  const { nonResourcePath: path = '' } = policy;
  return is(path, a.path) || (path.endsWith('*') && a.path.startsWith(path.replace(/\*+$/, '')));
}

/** Attribute-based access control from a file. */
export function abac(policies: readonly PolicySpec[]): Authorizer {
  const allows = (policy: PolicySpec, a: Attributes) =>
    isFor(policy, a.user) && (!policy.readonly || reading.includes(a.verb)) && isAbout(policy, a);
  return {
    authorize: (a) =>
      policies.some((policy) => allows(policy, a))
        ? { decision: 'allow', reason: '' }
        : { decision: 'noOpinion', reason: 'No policy matched.' },
    async rulesFor(user, namespace) {
      const resourceRules: ResourceRule[] = [];
      const nonResourceRules: NonResourceRule[] = [];
      for (const policy of policies) {
        if (!isFor(policy, user) || !is(policy.namespace, namespace)) continue;
        const verbs = policy.readonly ? reading : ['*'];
        const { apiGroup = '', resource, nonResourcePath } = policy;
        if (resource) resourceRules.push({ verbs, apiGroups: [apiGroup], resources: [resource], resourceNames: [] });
        if (nonResourcePath) nonResourceRules.push({ verbs, nonResourceURLs: [nonResourcePath] });
      }
      return { resourceRules, nonResourceRules, incomplete: false };
    },
  };
}
