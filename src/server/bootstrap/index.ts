export { ensureAuthenticationTrust } from './authentication-trust.ts';
export { ensureKubernetesService, type KubernetesServiceOptions } from './kubernetes-service.ts';
export { ensureSystemNamespaces, systemNamespaces } from './namespaces.ts';
export { ensureSystemPriorityClasses } from './priority-classes.ts';
export { ensureServiceCidr } from './service-cidr.ts';
