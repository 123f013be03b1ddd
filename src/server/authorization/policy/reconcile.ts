import {
  ClusterRole,
  ClusterRoleBinding,
  type Draft,
  hasReason,
  type KubeObject,
  type PolicyRule,
  type Resource,
  Role,
  RoleBinding,
  type Subject,
} from '../../../api/index.ts';
import type { Client } from '../../../client/index.ts';
import { compactRules, uncoveredRules } from '../rbac/rules.ts';
import { type BootstrapPolicy, bootstrapPolicy } from './bootstrap-policy.ts';

interface Rbac extends KubeObject {
  rules?: PolicyRule[];
  aggregationRule?: ClusterRole['aggregationRule'];
  subjects?: Subject[];
  roleRef?: { kind: string; name: string };
}

/**
 * Brings the default roles and bindings into the cluster: makes what is missing, adds rules and subjects that defaults have gained,
 * takes nothing away (upstream's reconciliation); leaves alone what says `autoupdate: "false"`. Everything at once: on a new
 * cluster the store's group commit makes it a handful of writes.
 */
export async function reconcileBootstrapPolicy(
  client: Client,
  options: { signal?: AbortSignal | undefined; policy?: BootstrapPolicy } = {},
): Promise<void> {
  const policy = options.policy ?? bootstrapPolicy();
  await splitBindings(client, options.signal);
  await Promise.all([
    reconcile(client, ClusterRole, policy.clusterRoles, options.signal),
    reconcile(client, Role, policy.roles, options.signal),
    reconcile(client, ClusterRoleBinding, policy.clusterRoleBindings, options.signal),
    reconcile(client, RoleBinding, policy.roleBindings, options.signal),
  ]);
}

/** Bindings that were part of another in earlier releases: new one, old one. */
const split = [['system:public-info-viewer', 'system:discovery']] as const;

/** What an administrator has made of the old binding holds for the new one, too, when it comes with an upgrade. */
async function splitBindings(client: Client, signal: AbortSignal | undefined): Promise<void> {
  const present = new Map((await client.list(ClusterRoleBinding, { signal })).items.map((binding) => [binding.metadata.name, binding]));
  for (const [name, from] of split) {
    const old = present.get(from);
    if (old === undefined || present.has(name)) continue;
    const { labels, annotations } = old.metadata;
    const draft: Draft<ClusterRoleBinding> = {
      apiVersion: old.apiVersion,
      kind: old.kind,
      metadata: { name, ...(labels ? { labels } : {}), ...(annotations ? { annotations } : {}) },
      roleRef: { ...old.roleRef, name },
      ...(old.subjects ? { subjects: old.subjects } : {}),
    };
    await client.create(ClusterRoleBinding, draft, { signal }).catch((error: unknown) => {
      if (!hasReason(error, 'AlreadyExists')) throw error;
    });
  }
}

const keyOf = (object: { metadata: { namespace?: string; name?: string } }) => `${object.metadata.namespace ?? ''}/${object.metadata.name}`;

async function reconcile<T extends KubeObject>(
  client: Client,
  resource: Resource<T>,
  wanted: Draft<T>[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const present = new Map((await client.list(resource, { signal })).items.map((object) => [keyOf(object), object]));
  await Promise.all(
    wanted.map(async (draft) => {
      const known = present.get(keyOf(draft));
      const options = { namespace: draft.metadata.namespace, signal };
      try {
        if (known === undefined) await client.create(resource, draft, options);
        else {
          // The four RBAC kinds are what this function is called with.
          const next = merged(known as Rbac, draft as unknown as Rbac);
          if (next === 'recreate') {
            await client.delete(resource, known.metadata.name ?? '', options);
            await client.create(resource, draft, options);
          } else if (next !== undefined) await client.update(resource, next as unknown as T, options);
        }
      } catch (error) {
        // Another control plane was there at the same moment, with the same table.
        if (!hasReason(error, 'AlreadyExists') && !hasReason(error, 'Conflict')) throw error;
      }
    }),
  );
}

/** What a present role or binding should become; undefined: what it is. */
export function merged(known: Rbac, wanted: Rbac): Rbac | 'recreate' | undefined {
  if (known.metadata.annotations?.['rbac.authorization.kubernetes.io/autoupdate'] === 'false') return undefined;
  if (wanted.roleRef !== undefined && (known.roleRef?.kind !== wanted.roleRef.kind || known.roleRef.name !== wanted.roleRef.name))
    return 'recreate';
  const next: Rbac = { ...known };
  let changed = false;
  for (const field of ['labels', 'annotations'] as const) {
    const missing = Object.entries(wanted.metadata[field] ?? {}).filter(([key]) => known.metadata[field]?.[key] === undefined);
    if (missing.length === 0) continue;
    next.metadata = { ...next.metadata, [field]: { ...known.metadata[field], ...Object.fromEntries(missing) } };
    changed = true;
  }
  // An aggregated role's rules are the aggregation controller's.
  const rules = wanted.aggregationRule === undefined ? compactRules(uncoveredRules(known.rules ?? [], wanted.rules ?? [])) : [];
  if (rules.length > 0) {
    next.rules = [...(known.rules ?? []), ...rules];
    changed = true;
  }
  if (wanted.aggregationRule !== undefined && known.aggregationRule === undefined) {
    next.aggregationRule = wanted.aggregationRule;
    changed = true;
  }
  const subjects = (wanted.subjects ?? []).filter(
    (s) => !known.subjects?.some((k) => k.kind === s.kind && k.name === s.name && (k.namespace ?? '') === (s.namespace ?? '')),
  );
  if (subjects.length > 0) {
    next.subjects = [...(known.subjects ?? []), ...subjects];
    changed = true;
  }
  return changed ? next : undefined;
}
