import type { AuthorizerMetrics } from '../metrics/authorizer-metrics.ts';
import type { Authorizer } from '../request.ts';
import type { Storages } from '../storages.ts';
import { type AccessWebhookOptions, accessWebhook } from '../webhook/access-webhook.ts';
import { abac, type PolicyFile, parseAbacPolicy } from './abac.ts';
import { alwaysAllow, alwaysDeny, systemMasters, unionAuthorizers } from './fixed.ts';
import { nodeAuthorizer } from './node/node-authorizer.ts';
import { NodeGraph } from './node/node-graph.ts';
import { nodeRules } from './policy/bootstrap-policy.ts';
import { createRbac, type Rbac } from './rbac/rbac.ts';

export type AuthorizationMode = 'AlwaysAllow' | 'AlwaysDeny' | 'ABAC' | 'RBAC' | 'Node' | 'Webhook';

/** An authorizer as --authorization-mode or --authorization-config ask for it; its name is for metrics. */
export type ConfiguredAuthorizer =
  | { type: Exclude<AuthorizationMode, 'Webhook'>; name: string }
  | { type: 'Webhook'; name: string; webhook: Omit<AccessWebhookOptions, 'onError' | 'metrics'> };

export interface AuthorizationOptions {
  storages: Storages;
  /** In order. Default Node, RBAC. */
  authorizers?: readonly ConfiguredAuthorizer[];
  /** --authorization-policy-file, for ABAC. */
  policy?: PolicyFile;
  /** Whether a feature gate is on; default: all are. */
  isEnabled?: ((gate: string) => boolean) | undefined;
  metrics: AuthorizerMetrics;
  signal: AbortSignal;
  onError(error: unknown): void;
}

export interface Authorization {
  readonly authorizer: Authorizer;
  /** Where RBAC was among the first authorizers. */
  readonly rbac: Rbac | undefined;
  readonly synced: Promise<void>;
  /** Has others decide from now on. Throws, and keeps what there is, where one of them has not been there from the start. */
  replace(authorizers: readonly ConfiguredAuthorizer[]): void;
}

const defaultAuthorizers: readonly ConfiguredAuthorizer[] = [
  { type: 'Node', name: 'node' },
  { type: 'RBAC', name: 'rbac' },
];

/** The server's authorizers in the given order, system:masters before all. Those that follow objects are made once, whatever replaces them. */
export function createAuthorization(options: AuthorizationOptions): Authorization {
  const { authorizers: first = defaultAuthorizers, metrics, onError } = options;
  const waits: Promise<void>[] = [];
  let rbac: Rbac | undefined;
  const make: Record<Exclude<AuthorizationMode, 'Webhook'>, () => Authorizer> = {
    AlwaysAllow: () => alwaysAllow,
    AlwaysDeny: () => alwaysDeny,
    ABAC: () => abac(options.policy ? parseAbacPolicy(options.policy) : []),
    RBAC: () => {
      rbac = createRbac(options.storages, options);
      waits.push(rbac.synced);
      return rbac;
    },
    Node: () => {
      const graph = NodeGraph.following(options.storages, options, metrics.graphAction);
      waits.push(graph.synced);
      return nodeAuthorizer(graph, nodeRules(options.isEnabled ?? (() => true)));
    },
  };
  const lasting = new Map<AuthorizationMode, Authorizer>([
    ['AlwaysAllow', alwaysAllow],
    ['AlwaysDeny', alwaysDeny],
  ]);
  for (const { type } of first) if (type !== 'Webhook') lasting.set(type, make[type]());

  const unionOf = (authorizers: readonly ConfiguredAuthorizer[]): Authorizer => {
    const counted = authorizers.map((configured) => {
      const { type, name } = configured;
      if (type === 'Webhook')
        return metrics.counted(accessWebhook({ ...configured.webhook, metrics: metrics.webhook(name), onError }), type, name);
      const known = lasting.get(type);
      if (!known) throw new Error(`authorizer type ${type} is not allowed if it was not enabled at initial server startup`);
      return metrics.counted(known, type, name);
    });
    return unionAuthorizers([systemMasters, ...counted]);
  };
  let present = unionOf(first);
  return {
    authorizer: {
      authorize: (attributes) => present.authorize(attributes),
      rulesFor: async (user, namespace) =>
        (await present.rulesFor?.(user, namespace)) ?? { resourceRules: [], nonResourceRules: [], incomplete: true },
    },
    rbac,
    synced: Promise.all(waits).then(() => undefined),
    replace(authorizers) {
      present = unionOf(authorizers);
    },
  };
}
