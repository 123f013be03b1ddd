/**
 * All built-in kinds: one line a kind. Adding a kind is a file `<group>/<kind>.ts` and a line here; everything else (storage,
 * REST paths, discovery, Tables, OpenAPI) follows from the table and the definition.
 */

import { controllerRevision } from './apps/controller-revision.ts';
import { daemonSet } from './apps/daemon-set.ts';
import { deployment } from './apps/deployment.ts';
import { replicaSet } from './apps/replica-set.ts';
import { statefulSet } from './apps/stateful-set.ts';
import { cronJob } from './batch/cron-job.ts';
import { job } from './batch/job.ts';
import { lease } from './coordination/lease.ts';
import type { KindDefinition } from './kind.ts';
import { clusterRole } from './rbac/cluster-role.ts';
import { clusterRoleBinding } from './rbac/cluster-role-binding.ts';
import { role } from './rbac/role.ts';
import { roleBinding } from './rbac/role-binding.ts';
import type { KubeObject } from './resource.ts';

/** Forgets a definition's type parameter: the registry treats all kinds alike and hands each only objects of its own kind. */
// The functions of a definition are contravariant in T, so that only an assertion widens it; objects reach them by kind alone.
const kind = <T extends KubeObject>(definition: KindDefinition<T>): KindDefinition => definition as unknown as KindDefinition;

export const kinds: readonly KindDefinition[] = [
  // core
  // apps
  kind(deployment),
  kind(replicaSet),
  kind(daemonSet),
  kind(statefulSet),
  kind(controllerRevision),
  // rbac
  kind(role),
  kind(clusterRole),
  kind(roleBinding),
  kind(clusterRoleBinding),
  // coordination
  kind(lease),
  // batch
  kind(job),
  kind(cronJob),
];
