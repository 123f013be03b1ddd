/** What an API server that is run alone is told of where it answers, and of its cluster where there is no cluster.json. */
import { isIP } from 'node:net';
import { ClusterError } from './cluster-error.ts';
import { type ClusterConfig, type ComponentArgs, defaultApiPort, defaultPodCidr, defaultServiceCidr } from './config.ts';
import { checkFlagTypes, invalidArgument } from './flag-types.ts';
import { nobodysAddress, primaryAddress } from './placement.ts';
import { serviceRanges } from './service-range-flag.ts';

/** For which `k8ts up` has options of its own. */
const placeFlags = ['secure-port', 'bind-address', 'advertise-address'];

/** A cluster of which nothing is written down. */
export function bareConfig(): ClusterConfig {
  return {
    ...{ name: 'k8ts', runtime: 'hollow', apiPort: defaultApiPort, bindAddress: '0.0.0.0' },
    ...{ advertiseAddress: primaryAddress() ?? nobodysAddress, podCidr: defaultPodCidr, serviceCidr: defaultServiceCidr },
    ...{ clusterDomain: 'cluster.local', nodes: 0, hollowNodes: 0, registryMirrors: {} },
    // Nothing says which addresses are for pods.
    args: { apiserver: {}, controllerManager: { 'allocate-node-cidrs': 'false' }, scheduler: {}, kubelet: {}, proxy: {} },
  };
}

function addressFlag(args: ComponentArgs, name: string): string | undefined {
  const text = args[name];
  if (text === undefined || isIP(text) !== 0) return text;
  throw invalidArgument(text, name, `failed to parse IP: ${JSON.stringify(text)}`);
}

function securePort(args: ComponentArgs): number | undefined {
  checkFlagTypes(args);
  const text = args['secure-port'];
  const port = text === undefined ? undefined : Number(text);
  if (port !== undefined && !(port >= 1 && port <= 65535))
    throw new ClusterError(`--secure-port ${port} must be between 1 and 65535, inclusive. It cannot be turned off with 0`);
  return port;
}

/** The configuration of an API server with these flags of its own. Throws ClusterError in upstream's words. */
export function standaloneConfig(config: ClusterConfig, given: ComponentArgs): ClusterConfig {
  const apiserver = { ...config.args.apiserver, ...given };
  const ranges = apiserver['service-cluster-ip-range'];
  const advertised = addressFlag(apiserver, 'advertise-address');
  const bound = addressFlag(apiserver, 'bind-address');
  return {
    ...config,
    apiPort: securePort(apiserver) ?? config.apiPort,
    bindAddress: bound ?? config.bindAddress,
    // Who answers at one address only is reached there, as upstream has it.
    advertiseAddress: advertised ?? (bound && !/^(0\.0\.0\.0|::|127\..*|::1)$/.test(bound) ? bound : config.advertiseAddress),
    ...(ranges ? { serviceCidr: serviceRanges(ranges)[0] ?? config.serviceCidr } : {}),
    args: { ...config.args, apiserver: Object.fromEntries(Object.entries(apiserver).filter(([name]) => !placeFlags.includes(name))) },
  };
}
