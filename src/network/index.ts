export { type CniConfig, writeCniConfig } from './cni/config.ts';
export { cleanupHostNetwork, prepareHostNetwork } from './cni/host.ts';
export { createForwarder, type Forwarder, nameserversOf } from './dns/forward.ts';
export { type DnsServer, type DnsServerOptions, startDnsServer } from './dns/server.ts';
export { contains, overlaps } from './nodes/cidr.ts';
export type { LoopbackService } from './nodes/loopback.ts';
export {
  ensureNodeNamespace,
  ensureNodeNetwork,
  enterNamespace,
  type NodeNamespace,
  type NodeNetwork,
  namespaceFile,
  removeNodeNamespace,
  removeNodeNetwork,
} from './nodes/node-network.ts';
export { type NodeRoutesOptions, removeNodeRoutes, runNodeRoutes } from './nodes/routes.ts';
export { cleanupProxy, type ProxyOptions, runProxy } from './proxy/proxy.ts';
export { createProxyHealth } from './proxy/proxy-health.ts';
export { createProxyMetrics } from './proxy/proxy-metrics.ts';
export { type ListenAddress, openProxyServer, type ProxyServer } from './proxy/proxy-server.ts';
