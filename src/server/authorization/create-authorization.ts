import type { Authorizer } from '../request.ts';
import type { Storages } from '../storages.ts';
import { type AccessWebhookOptions, accessWebhook } from '../webhook/reviews.ts';
import { abac, parseAbacPolicy } from './abac.ts';
import { alwaysAllow, alwaysDeny, systemMasters, unionAuthorizers } from './fixed.ts';
import { nodeAuthorizer } from './node/node-authorizer.ts';
import { NodeGraph } from './node/node-graph.ts';
import { nodeRules } from './policy/bootstrap-policy.ts';
import { createRbac, type Rbac } from './rbac/rbac.ts';

export type AuthorizationMode = 'AlwaysAllow' | 'AlwaysDeny' | 'ABAC' | 'RBAC' | 'Node' | 'Webhook';

export interface AuthorizationOptions {
  storages: Storages;
  /** --authorization-mode, in order. Default Node,RBAC. */
  modes?: readonly AuthorizationMode[];
  /** --authorization-policy-file's text, for ABAC. */
  policy?: string;
  /** --authorization-webhook-*, for Webhook. */
  webhook?: Omit<AccessWebhookOptions, 'onError'>;
  signal: AbortSignal;
  onError(error: unknown): void;
}

/** The server's authorizers in the given order, system:masters before all. `rbac` is there where RBAC is among the modes. */
export function createAuthorization(options: AuthorizationOptions): {
  authorizer: Authorizer;
  rbac: Rbac | undefined;
  synced: Promise<void>;
} {
  const waits: Promise<void>[] = [];
  let rbac: Rbac | undefined;
  const make: Record<AuthorizationMode, () => Authorizer> = {
    AlwaysAllow: () => alwaysAllow,
    AlwaysDeny: () => alwaysDeny,
    ABAC: () => abac(parseAbacPolicy(options.policy ?? '')),
    Webhook: () => {
      if (!options.webhook) throw new Error("authorization-mode Webhook's authorization config file not passed");
      return accessWebhook({ ...options.webhook, onError: options.onError });
    },
    RBAC: () => {
      rbac = createRbac(options.storages, options);
      waits.push(rbac.synced);
      return rbac;
    },
    Node: () => {
      const graph = NodeGraph.following(options.storages, options);
      waits.push(graph.synced);
      return nodeAuthorizer(graph, nodeRules);
    },
  };
  const authorizers = (options.modes ?? ['Node', 'RBAC']).map((mode) => make[mode]());
  return { authorizer: unionAuthorizers([systemMasters, ...authorizers]), rbac, synced: Promise.all(waits).then(() => undefined) };
}
