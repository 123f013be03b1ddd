export { abac, parseAbacPolicy } from './abac.ts';
export {
  type AuthorizationMode,
  type AuthorizationOptions,
  type ConfiguredAuthorizer,
  createAuthorization,
} from './create-authorization.ts';
export { alwaysAllow, alwaysDeny, systemMasters, unionAuthorizers } from './fixed.ts';
export { type NodeAuthorizer, nodeAuthorizer } from './node/node-authorizer.ts';
export { NodeGraph } from './node/node-graph.ts';
export { nodeNameOf } from './node/node-identity.ts';
export { type BootstrapPolicy, bootstrapPolicy } from './policy/bootstrap-policy.ts';
export { reconcileBootstrapPolicy } from './policy/reconcile.ts';
export { rbacEscalation } from './rbac/escalation.ts';
export { createRbac, type Rbac } from './rbac/rbac.ts';
export { ruleAllows, rulesAllow } from './rbac/rules.ts';
