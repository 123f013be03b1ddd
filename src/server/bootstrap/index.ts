export { ensureAuthenticationTrust } from './authentication-trust.ts';
export { type EndpointLeases, type EndpointLeasesOptions, endpointLeases } from './endpoint-leases.ts';
export { apiServerIdentity, keepIdentityLease } from './identity-lease.ts';
export { ensureKubernetesService, type KubernetesServiceOptions } from './kubernetes-service.ts';
export { ensureSystemNamespaces, systemNamespaces } from './namespaces.ts';
export { persistently } from './persistently.ts';
export { ensureSystemPriorityClasses } from './priority-classes.ts';
export { ensureServiceCidr } from './service-cidr.ts';
export { ensureTokenTracking } from './token-tracking.ts';
