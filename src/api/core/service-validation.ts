/** The rules of services, beside their addresses and ports' allocation, which is the server's. */
import { type FieldErrors, FieldPath } from '../fields.ts';
import type { Service, ServicePort, ServiceSpec } from '../generated/core.v1.ts';
import { isCidr, isIp, parseIp, parseLooseIp } from '../ip.ts';
import { isDns1123Subdomain, isPortNumber } from '../names.ts';
import { validateLabels } from '../object-meta.ts';
import { allowOneOf, protocols, reject, rejectNew, requireDnsLabel, requireOneOf, requirePort, requireQualifiedName } from './checks.ts';
import { requireNonSpecialIp } from './endpoint-addresses.ts';
import { isExternallyAccessible, isHeadless, needsHealthCheckNodePort } from './service-traits.ts';
import { topologyHintsAnnotation, topologyModeAnnotation } from './service-warnings.ts';

const specPath = new FieldPath('spec');
const portsPath = specPath.child('ports');
const annotationsPath = new FieldPath('metadata').child('annotations');
const sourceRangesAnnotation = 'service.beta.kubernetes.io/load-balancer-source-ranges';
const onlyLoadBalancer = "may only be used when `type` is 'LoadBalancer'";
const maxAffinitySeconds = 86400;

function validateType(service: Service, errors: FieldErrors): void {
  const { spec } = service;
  if ((spec.ports ?? []).length === 0 && !isHeadless(service) && spec.type !== 'ExternalName') errors.required(portsPath);
  if ((spec.type === 'LoadBalancer' || spec.type === 'NodePort') && isHeadless(service))
    errors.invalid(specPath.child('clusterIPs').index(0), 'None', `may not be set to 'None' for ${spec.type} services`);
  if (spec.type !== 'ExternalName') return;
  for (const field of ['clusterIPs', 'ipFamilies', 'ipFamilyPolicy'] as const)
    if (spec[field]?.length) errors.forbidden(specPath.child(field), 'may not be set for ExternalName services');
  // A trailing dot says that the name is complete.
  const name = (spec.externalName ?? '').replace(/\.$/, '');
  if (name === '') errors.required(specPath.child('externalName'));
  else reject(errors, specPath.child('externalName'), name, isDns1123Subdomain(name));
}

function validatePort(port: ServicePort, isNamed: boolean, names: Set<string>, path: FieldPath, errors: FieldErrors): void {
  if (port.name) {
    requireDnsLabel(errors, path.child('name'), port.name);
    if (names.has(port.name)) errors.duplicate(path.child('name'), port.name);
    names.add(port.name);
  } else if (isNamed) errors.required(path.child('name'));
  reject(errors, path.child('port'), port.port ?? 0, isPortNumber(port.port ?? 0));
  requireOneOf(errors, path.child('protocol'), port.protocol, protocols);
  requirePort(errors, path.child('targetPort'), port.targetPort);
  if (port.appProtocol !== undefined) requireQualifiedName(errors, path.child('appProtocol'), port.appProtocol);
}

function validatePorts({ spec }: Service, errors: FieldErrors): void {
  const ports = spec.ports ?? [];
  const names = new Set<string>();
  for (const [i, port] of ports.entries()) validatePort(port, ports.length > 1, names, portsPath.index(i), errors);
  if (spec.type === 'ClusterIP')
    for (const [i, port] of ports.entries())
      if (port.nodePort) errors.forbidden(portsPath.index(i).child('nodePort'), "may not be used when `type` is 'ClusterIP'");
  const nodePorts = new Set<string>();
  const numbers = new Set<string>();
  for (const [i, { nodePort, protocol }] of ports.entries()) {
    if (!nodePort) continue;
    const key = `${protocol}/${nodePort}`;
    if (nodePorts.has(key)) errors.duplicate(portsPath.index(i).child('nodePort'), nodePort);
    nodePorts.add(key);
  }
  for (const [i, { port, protocol }] of ports.entries()) {
    const key = `${protocol}/${port}`;
    // What upstream shows is a port of its own, of which just these two are known.
    if (numbers.has(key))
      errors.duplicate(portsPath.index(i), { Name: '', Protocol: protocol, AppProtocol: null, Port: port, TargetPort: 0, NodePort: 0 });
    numbers.add(key);
  }
}

function validateAffinity({ spec }: Service, errors: FieldErrors): void {
  requireOneOf(errors, specPath.child('sessionAffinity'), spec.sessionAffinity, ['ClientIP', 'None']);
  const path = specPath.child('sessionAffinityConfig');
  const config = spec.sessionAffinityConfig;
  if (spec.sessionAffinity === 'None' && config) errors.forbidden(path, 'must not be set when session affinity is None');
  if (spec.sessionAffinity !== 'ClientIP') return;
  const detail = 'when session affinity type is ClientIP';
  const seconds = config?.clientIP?.timeoutSeconds;
  const secondsPath = path.child('clientIP', 'timeoutSeconds');
  if (!config) errors.required(path, detail);
  else if (!config.clientIP) errors.required(path.child('clientIP'), detail);
  else if (seconds === undefined) errors.required(secondsPath, detail);
  else if (seconds <= 0 || seconds > maxAffinitySeconds)
    errors.invalid(secondsPath, seconds, `must be greater than 0 and less than ${maxAffinitySeconds}`);
}

/** clusterIP, clusterIPs, ipFamilies and ipFamilyPolicy must agree. Also for the allocator, before it hands out what is missing. */
export function validateClusterIps(service: Service, errors: FieldErrors): void {
  const { spec } = service;
  if (spec.type === 'ExternalName') return;
  const { clusterIP = '', clusterIPs = [], ipFamilies = [], ipFamilyPolicy } = spec;
  const path = specPath.child('clusterIPs');
  const familiesPath = specPath.child('ipFamilies');
  if (clusterIP) {
    if (clusterIPs.length === 0) errors.required(path);
    else if (clusterIPs[0] !== clusterIP) errors.invalid(path, clusterIPs, 'first value must match `clusterIP`');
  } else if (clusterIPs.length > 0) errors.invalid(path, clusterIPs, 'must be empty when `clusterIP` is not specified');
  for (const [i, family] of ipFamilies.entries()) {
    allowOneOf(errors, familiesPath.index(i), family, ['IPv4', 'IPv6']);
    if (ipFamilies.indexOf(family) < i) errors.duplicate(familiesPath.index(i), family);
  }
  allowOneOf(errors, specPath.child('ipFamilyPolicy'), ipFamilyPolicy, ['PreferDualStack', 'RequireDualStack', 'SingleStack']);
  let isInvalid = false;
  for (const [i, ip] of clusterIPs.entries()) {
    if (i === 0 && ip === 'None') {
      if (clusterIPs.length === 1) continue;
      isInvalid = true;
      errors.invalid(path, clusterIPs, "'None' must be the first and only value");
      continue;
    }
    const wrong = isIp(ip);
    isInvalid ||= wrong.length > 0;
    rejectNew(errors, path.index(i), ip, wrong);
  }
  if (clusterIPs.length > 2) errors.invalid(path, clusterIPs, 'may only hold up to 2 values');
  if (isInvalid || isHeadless(service)) return;
  const families = clusterIPs.map((ip) => (parseIp(ip)?.family === 6 ? 'IPv6' : 'IPv4'));
  if (families.length > 1 && new Set(families).size === 1)
    errors.invalid(path, clusterIPs, 'may specify no more than one IP for each IP family');
  for (const [i, family] of families.entries()) {
    const expected = ipFamilies[i];
    if ((expected === 'IPv4' || expected === 'IPv6') && expected !== family)
      errors.invalid(path.index(i), clusterIPs[i], `expected an ${expected} value as indicated by \`ipFamilies[${i}]\``);
  }
}

function validateLoadBalancer({ metadata, spec }: Service, errors: FieldErrors): void {
  const isBalanced = spec.type === 'LoadBalancer';
  const ranges = spec.loadBalancerSourceRanges ?? [];
  const annotation = metadata.annotations?.[sourceRangesAnnotation];
  if (ranges.length > 0) {
    const path = specPath.child('LoadBalancerSourceRanges');
    if (!isBalanced) errors.forbidden(path, onlyLoadBalancer);
    for (const [i, range] of ranges.entries()) rejectNew(errors, path.index(i), range.trim(), isCidr(range.trim()));
  } else if (annotation !== undefined) {
    const path = annotationsPath.key(sourceRangesAnnotation);
    if (!isBalanced) errors.forbidden(path, onlyLoadBalancer);
    if (annotation.trim() !== '') for (const range of annotation.split(',')) rejectNew(errors, path, range.trim(), isCidr(range.trim()));
  }
  const allocate = spec.allocateLoadBalancerNodePorts;
  if (allocate !== undefined && !isBalanced) errors.forbidden(specPath.child('allocateLoadBalancerNodePorts'), onlyLoadBalancer);
  if (allocate === undefined && isBalanced) errors.required(new FieldPath('allocateLoadBalancerNodePorts'));
  validateLoadBalancerClass(spec, errors);
}

function validateLoadBalancerClass(spec: ServiceSpec, errors: FieldErrors): void {
  if (spec.loadBalancerClass === undefined) return;
  const path = specPath.child('loadBalancerClass');
  if (spec.type === 'LoadBalancer') requireQualifiedName(errors, path, spec.loadBalancerClass);
  else errors.forbidden(path, onlyLoadBalancer);
}

function validateTraffic(service: Service, errors: FieldErrors): void {
  const { spec } = service;
  const externalPath = specPath.child('externalTrafficPolicy');
  const policies = ['Cluster', 'Local'];
  if (isExternallyAccessible(service)) requireOneOf(errors, externalPath, spec.externalTrafficPolicy, policies);
  else if (spec.externalTrafficPolicy)
    errors.invalid(externalPath, spec.externalTrafficPolicy, 'may only be set for externally-accessible services');
  const healthPath = specPath.child('healthCheckNodePort');
  if (needsHealthCheckNodePort(service)) {
    if (!spec.healthCheckNodePort) errors.required(healthPath);
    else reject(errors, healthPath, spec.healthCheckNodePort, isPortNumber(spec.healthCheckNodePort));
  } else if (spec.healthCheckNodePort)
    errors.invalid(
      healthPath,
      spec.healthCheckNodePort,
      "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
    );
  const internalPath = specPath.child('internalTrafficPolicy');
  if (spec.internalTrafficPolicy === undefined) {
    if (spec.type !== 'ExternalName') errors.required(internalPath);
  } else allowOneOf(errors, internalPath, spec.internalTrafficPolicy, policies);
  const distributions = ['PreferClose', 'PreferSameZone', 'PreferSameNode'];
  allowOneOf(errors, specPath.child('trafficDistribution'), spec.trafficDistribution, distributions);
}

export function validateService(service: Service, errors: FieldErrors): void {
  const { annotations = {} } = service.metadata;
  const hints = annotations[topologyHintsAnnotation];
  const mode = annotations[topologyModeAnnotation];
  if (hints !== undefined && mode !== undefined && hints !== mode)
    errors.invalid(
      annotationsPath.key(topologyModeAnnotation),
      mode,
      `must match annotations[${topologyHintsAnnotation}] when both are specified`,
    );
  validateType(service, errors);
  validatePorts(service, errors);
  validateLabels(service.spec.selector, specPath.child('selector'), errors);
  validateAffinity(service, errors);
  validateClusterIps(service, errors);
  for (const [i, ip] of (service.spec.externalIPs ?? []).entries()) {
    const path = specPath.child('externalIPs').index(i);
    const wrong = isIp(ip);
    rejectNew(errors, path, ip, wrong);
    if (wrong.length === 0) requireNonSpecialIp(errors, path, ip);
  }
  requireOneOf(errors, specPath.child('type'), service.spec.type, ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort']);
  validateLoadBalancer(service, errors);
  validateTraffic(service, errors);
}

/** The first of two lists that were allocated stays what it is; the second comes and goes with dual stack. */
function validateKept(field: 'clusterIPs' | 'ipFamilies', next: Service, prev: Service, errors: FieldErrors): void {
  const now: readonly string[] = next.spec[field] ?? [];
  const before: readonly string[] = prev.spec[field] ?? [];
  const path = specPath.child(field);
  const what = field === 'clusterIPs' ? 'clusterIP' : 'ipFamily';
  if (before.length === 0) return;
  if (now.length === 0) {
    errors.invalid(path.index(0), now, `primary ${what} can not be unset`);
    return;
  }
  // Upstream reports a family at the first one, whichever it is.
  for (const [i, value] of before.entries())
    if (now[i] !== undefined && now[i] !== value)
      errors.invalid(path.index(field === 'ipFamilies' ? 0 : i), now, 'may not change once set');
  if (now.length < before.length && next.spec.ipFamilyPolicy !== 'SingleStack')
    errors.invalid(
      specPath.child('ipFamilyPolicy'),
      next.spec.ipFamilyPolicy ?? null,
      `must be set to 'SingleStack' when releasing the secondary ${what}`,
    );
}

export function validateServiceUpdate(next: Service, prev: Service, errors: FieldErrors): void {
  const involvesExternalName = next.spec.type === 'ExternalName' || prev.spec.type === 'ExternalName';
  if (!involvesExternalName && !(isHeadless(next) && isHeadless(prev))) validateKept('clusterIPs', next, prev, errors);
  if (!involvesExternalName && !isHeadless(next) && !isHeadless(prev)) validateKept('ipFamilies', next, prev, errors);
  const areBalanced = next.spec.type === 'LoadBalancer' && prev.spec.type === 'LoadBalancer';
  if (areBalanced && next.spec.loadBalancerClass !== prev.spec.loadBalancerClass)
    errors.invalid(specPath.child('loadBalancerClass'), next.spec.loadBalancerClass ?? null, 'may not change once set');
  // Upstream looks at it twice.
  validateLoadBalancerClass(next.spec, errors);
  const areChecked = needsHealthCheckNodePort(next) && needsHealthCheckNodePort(prev);
  if (areChecked && next.spec.healthCheckNodePort !== prev.spec.healthCheckNodePort)
    errors.forbidden(specPath.child('healthCheckNodePort'), 'field is immutable');
}

/** What a cloud's controller says of a load balancer. */
export function validateServiceStatus({ spec, status }: Service, errors: FieldErrors): void {
  if (spec.type !== 'LoadBalancer' && status?.loadBalancer?.ingress?.length) {
    const path = new FieldPath('status').child('loadBalancer', 'ingress');
    errors.forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'");
    return;
  }
  for (const [i, ingress] of (status?.loadBalancer?.ingress ?? []).entries()) {
    const path = new FieldPath('status').child('loadBalancer', 'ingress').index(i);
    if (ingress.ip) {
      rejectNew(errors, path.child('ip'), ingress.ip, isIp(ingress.ip));
      if (ingress.ipMode === undefined) errors.required(path.child('ipMode'), 'must be specified when `ip` is set');
      else allowOneOf(errors, path.child('ipMode'), ingress.ipMode, ['Proxy', 'VIP']);
    } else if (ingress.ipMode !== undefined) errors.forbidden(path.child('ipMode'), 'may not be specified when `ip` is not set');
    if (!ingress.hostname) continue;
    reject(errors, path.child('hostname'), ingress.hostname, isDns1123Subdomain(ingress.hostname));
    if (parseLooseIp(ingress.hostname)) errors.invalid(path.child('hostname'), ingress.hostname, 'must be a DNS name, not an IP address');
  }
}
