export { type CniConfig, writeCniConfig } from './cni/config.ts';
export { cleanupHostNetwork, prepareHostNetwork } from './cni/host.ts';
export { createForwarder, type Forwarder, nameserversOf } from './dns/forward.ts';
export { type DnsServer, type DnsServerOptions, startDnsServer } from './dns/server.ts';
export { cleanupProxy, type ProxyOptions, runProxy } from './proxy/proxy.ts';
