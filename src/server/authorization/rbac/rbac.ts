import type { PolicyRule, Subject } from '../../../api/index.ts';
import { aggregateMessage, ClusterRole, ClusterRoleBinding, Role, RoleBinding } from '../../../api/index.ts';
import type { Attributes, Authorizer, Decision, UserInfo } from '../../request.ts';
import { type Follower, follow, type Storages } from '../../storages.ts';
import { ruleAllows } from './rules.ts';

type Binding = ClusterRoleBinding | RoleBinding;

/** Bindings by who they bind: a request looks at those of its user and groups only. */
class BindingIndex {
  readonly #bySubject = new Map<string, Set<Binding>>();
  readonly #known = new Map<string, Binding>();

  set(binding: Binding): void {
    this.remove(binding);
    this.#known.set(binding.metadata.name ?? '', binding);
    for (const key of keysOf(binding)) {
      const set = this.#bySubject.get(key) ?? new Set();
      set.add(binding);
      this.#bySubject.set(key, set);
    }
  }

  remove(binding: Binding): void {
    const name = binding.metadata.name ?? '';
    const known = this.#known.get(name);
    if (known === undefined) return;
    this.#known.delete(name);
    for (const key of keysOf(known)) {
      const set = this.#bySubject.get(key);
      set?.delete(known);
      if (set?.size === 0) this.#bySubject.delete(key);
    }
  }

  /** Each once, by the first of its subjects that is the user, or a group of theirs. */
  *of(user: UserInfo): Iterable<{ binding: Binding; key: string }> {
    const keys = new Set([`User:${user.name}`, ...user.groups.map((g) => `Group:${g}`)]);
    const seen = new Set<Binding>();
    for (const key of keys)
      for (const binding of this.#bySubject.get(key) ?? []) {
        if (seen.has(binding)) continue;
        seen.add(binding);
        yield { binding, key: binding.subjects?.length === 1 ? key : (keysOf(binding).find((k) => keys.has(k)) ?? key) };
      }
  }
}

const keyOf = (subject: Subject, namespace: string | undefined) =>
  subject.kind === 'ServiceAccount'
    ? `User:system:serviceaccount:${subject.namespace || (namespace ?? '')}:${subject.name}`
    : `${subject.kind}:${subject.name}`;

const keysOf = (binding: Binding) => (binding.subjects ?? []).map((s) => keyOf(s, binding.metadata.namespace));

export interface Rbac extends Authorizer {
  authorize(attributes: Attributes): Decision;
  /** All rules that hold for a user in a namespace ('' : cluster-wide ones only), and what could not be resolved. */
  rulesOf(user: UserInfo, namespace: string): { rules: PolicyRule[]; errors: string[] };
  /** A role's rules; undefined where there is none. */
  rulesOfRole(ref: { kind: string; name: string }, namespace: string): readonly PolicyRule[] | undefined;
  /** Resolves once roles and bindings have been read. */
  synced: Promise<void>;
}

/** Role-based access control over an index of roles and bindings that follows the watch cache. */
export function createRbac(storages: Storages, options: { signal: AbortSignal; onError(error: unknown): void }): Rbac {
  const roles = new Map<string, Role>();
  const clusterRoles = new Map<string, ClusterRole>();
  let clusterBindings = new BindingIndex();
  const bindings = new Map<string, BindingIndex>();

  const mapOf = <T extends Role | ClusterRole>(map: Map<string, T>): Follower<T> => ({
    reset: () => map.clear(),
    set: (role) => map.set(`${role.metadata.namespace ?? ''}/${role.metadata.name}`, role),
    remove: (role) => map.delete(`${role.metadata.namespace ?? ''}/${role.metadata.name}`),
  });
  const indexOf = (namespace: string) => {
    const index = bindings.get(namespace) ?? new BindingIndex();
    bindings.set(namespace, index);
    return index;
  };
  const synced = Promise.all([
    follow(storages(ClusterRole), mapOf(clusterRoles), options),
    follow(storages(Role), mapOf(roles), options),
    follow(
      storages(ClusterRoleBinding),
      { reset: () => (clusterBindings = new BindingIndex()), set: (b) => clusterBindings.set(b), remove: (b) => clusterBindings.remove(b) },
      options,
    ),
    follow(
      storages(RoleBinding),
      {
        reset: () => bindings.clear(),
        set: (b) => indexOf(b.metadata.namespace ?? '').set(b),
        remove: (b) => indexOf(b.metadata.namespace ?? '').remove(b),
      },
      options,
    ),
  ]).then(() => undefined);

  const rulesOfRole: Rbac['rulesOfRole'] = (ref, namespace) =>
    ref.kind === 'ClusterRole'
      ? clusterRoles.get(`/${ref.name}`) && (clusterRoles.get(`/${ref.name}`)?.rules ?? [])
      : roles.get(`${namespace}/${ref.name}`) && (roles.get(`${namespace}/${ref.name}`)?.rules ?? []);

  function* bindingsOf(user: UserInfo, namespace: string): Iterable<{ binding: Binding; key: string; namespace: string }> {
    for (const found of clusterBindings.of(user)) yield { ...found, namespace: '' };
    if (namespace === '') return;
    for (const found of bindings.get(namespace)?.of(user) ?? []) yield { ...found, namespace };
  }

  const notFound = (binding: Binding) =>
    `${binding.roleRef.kind.toLowerCase()}.rbac.authorization.k8s.io ${JSON.stringify(binding.roleRef.name)} not found`;

  const rulesOf: Rbac['rulesOf'] = (user, namespace) => {
    const rules: PolicyRule[] = [];
    const errors: string[] = [];
    for (const found of bindingsOf(user, namespace)) {
      const role = rulesOfRole(found.binding.roleRef, found.namespace);
      if (role === undefined) errors.push(notFound(found.binding));
      else rules.push(...role);
    }
    return { rules, errors };
  };

  return {
    synced,
    rulesOf,
    rulesOfRole,
    authorize(attributes) {
      const errors: string[] = [];
      for (const { binding, key, namespace } of bindingsOf(attributes.user, attributes.namespace)) {
        const rules = rulesOfRole(binding.roleRef, namespace);
        if (rules === undefined) {
          errors.push(notFound(binding));
          continue;
        }
        for (const rule of rules) if (ruleAllows(rule, attributes)) return { decision: 'allow', reason: allowedBy(binding, key) };
      }
      return {
        decision: 'noOpinion',
        reason: errors.length === 0 ? '' : `RBAC: ${aggregateMessage(errors)}`,
      };
    },
    rulesFor(user, namespace) {
      const { rules, errors } = rulesOf(user, namespace);
      return Promise.resolve({
        resourceRules: rules
          .filter((r) => r.resources?.length)
          .map((r) => ({
            verbs: r.verbs,
            apiGroups: r.apiGroups ?? [],
            resources: r.resources ?? [],
            resourceNames: r.resourceNames ?? [],
          })),
        nonResourceRules: rules
          .filter((r) => r.nonResourceURLs?.length)
          .map((r) => ({ verbs: r.verbs, nonResourceURLs: r.nonResourceURLs ?? [] })),
        incomplete: false,
        ...(errors.length > 0 ? { evaluationError: aggregateMessage(errors) } : {}),
      });
    },
  };
}

function allowedBy(binding: Binding, key: string): string {
  const subject = binding.subjects?.find((s) => keyOf(s, binding.metadata.namespace) === key);
  const who =
    subject?.kind === 'ServiceAccount'
      ? `ServiceAccount ${JSON.stringify(`${subject.name}/${subject.namespace || binding.metadata.namespace}`)}`
      : `${subject?.kind} ${JSON.stringify(subject?.name)}`;
  const what =
    binding.kind === 'RoleBinding'
      ? `RoleBinding ${JSON.stringify(`${binding.metadata.name}/${binding.metadata.namespace}`)}`
      : `ClusterRoleBinding ${JSON.stringify(binding.metadata.name)}`;
  return `RBAC: allowed by ${what} of ${binding.roleRef.kind} ${JSON.stringify(binding.roleRef.name)} to ${who}`;
}
