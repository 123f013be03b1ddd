import { Service, type ServicePort } from '../generated/core.v1.ts';
import { defineKind } from '../kind.ts';
import { nameIsDnsLabel } from '../names.ts';
import { ageColumn, fieldDoc, formatLabels, nameColumn } from '../printing.ts';
import { isExternallyAccessible } from './service-traits.ts';
import { dropForeign, keepAllocated, normalizeClusterIps } from './service-update.ts';
import { validateService, validateServiceStatus, validateServiceUpdate } from './service-validation.ts';
import { serviceStatusWarnings, serviceWarnings } from './service-warnings.ts';

const defaultAffinitySeconds = 10800;

/** Addresses of the load balancer, shortened in the narrow table. */
function ingressOf({ status }: Service): string {
  const addresses = new Set((status?.loadBalancer?.ingress ?? []).flatMap((ingress) => ingress.ip || ingress.hostname || []));
  return [...addresses].sort().join(',');
}

function externalIpOf(service: Service): string {
  const { externalIPs = [], externalName, type } = service.spec;
  if (type === 'ExternalName') return externalName ?? '';
  if (type !== 'LoadBalancer') return externalIPs.length > 0 ? externalIPs.join(',') : '<none>';
  const ingress = ingressOf(service);
  if (externalIPs.length > 0) return [...(ingress ? ingress.split(',') : []), ...externalIPs].join(',');
  return ingress || '<pending>';
}

const portText = ({ nodePort, port, protocol }: ServicePort) => (nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`);

/** A name of something elsewhere has no traffic of its own. */
function dropInternalPolicy({ spec }: Service): void {
  if (spec.type === 'ExternalName' && (spec.internalTrafficPolicy === 'Cluster' || spec.internalTrafficPolicy === 'Local'))
    delete spec.internalTrafficPolicy;
}

/** Services are older than their lists of addresses and families. */
function completeOlder({ spec }: Service): void {
  if (spec.type === 'ExternalName') {
    delete spec.internalTrafficPolicy;
    return;
  }
  if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP];
  if (spec.ipFamilies?.length) return;
  if (spec.clusterIP !== 'None') spec.ipFamilies = (spec.clusterIPs ?? []).map((ip) => (ip.includes(':') ? 'IPv6' : 'IPv4'));
  // Of the endpoints that are somebody's own nobody knows the family.
  else spec.ipFamilies = Object.keys(spec.selector ?? {}).length > 0 ? ['IPv4'] : ['IPv4', 'IPv6'];
  if (spec.ipFamilies.length > 0) spec.ipFamilyPolicy = spec.ipFamilies.length > 1 ? 'RequireDualStack' : 'SingleStack';
  else delete spec.ipFamilies;
}

export const service = defineKind<Service>({
  resource: Service,
  answersDeleted: true,
  shortNames: ['svc'],
  categories: ['all'],
  storagePrefix: 'services/specs',
  older: { mark: '"ipFamilies"', complete: completeOlder },
  validateName: nameIsDnsLabel,
  generation: false,
  allowCreateOnUpdate: true,
  defaults(service) {
    service.spec ??= {};
    const { spec } = service;
    spec.sessionAffinity ||= 'None';
    if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig;
    else if (spec.sessionAffinity === 'ClientIP' && spec.sessionAffinityConfig?.clientIP?.timeoutSeconds === undefined)
      spec.sessionAffinityConfig = { clientIP: { timeoutSeconds: defaultAffinitySeconds } };
    spec.type ||= 'ClusterIP';
    for (const port of spec.ports ?? []) {
      port.protocol ||= 'TCP';
      if (port.targetPort === undefined || port.targetPort === 0 || port.targetPort === '') port.targetPort = port.port;
    }
    if (isExternallyAccessible(service)) spec.externalTrafficPolicy ||= 'Cluster';
    if (spec.type !== 'ExternalName') spec.internalTrafficPolicy ??= 'Cluster';
    if (spec.type !== 'LoadBalancer') return;
    spec.allocateLoadBalancerNodePorts ??= true;
    for (const ingress of service.status?.loadBalancer?.ingress ?? []) if (ingress.ip) ingress.ipMode ??= 'VIP';
  },
  create(service) {
    dropInternalPolicy(service);
    normalizeClusterIps(service);
    service.status = { loadBalancer: {} };
  },
  update(next, prev) {
    next.status = prev.status;
    dropInternalPolicy(next);
    keepAllocated(next, prev);
    normalizeClusterIps(next, prev);
    dropForeign(next, prev);
  },
  validateFirst(next, prev, errors) {
    if (prev) validateServiceUpdate(next, prev, errors);
  },
  validate: validateService,
  warnings: serviceWarnings,
  fieldSelectors: { 'spec.clusterIP': ({ spec }) => spec.clusterIP ?? '', 'spec.type': ({ spec }) => spec.type ?? '' },
  subresources: {
    status: {
      validate: (next, _prev, errors) => validateServiceStatus(next, errors),
      warnings: serviceStatusWarnings,
    },
  },
  columns: [
    nameColumn,
    {
      name: 'Type',
      description: fieldDoc('core.v1.ServiceSpec.type'),
      value: ({ spec }) => spec.type ?? '',
    },
    {
      name: 'Cluster-IP',
      description: fieldDoc('core.v1.ServiceSpec.clusterIP'),
      value: ({ spec }) => spec.clusterIPs?.[0] || spec.clusterIP || '<none>',
    },
    {
      name: 'External-IP',
      description: fieldDoc('core.v1.ServiceSpec.externalIPs'),
      value: externalIpOf,
    },
    {
      name: 'Port(s)',
      description: fieldDoc('core.v1.ServiceSpec.ports'),
      value: ({ spec }) => (spec.ports ?? []).map(portText).join(',') || '<none>',
    },
    ageColumn,
    {
      name: 'Selector',
      priority: 1,
      description: fieldDoc('core.v1.ServiceSpec.selector'),
      value: ({ spec }) => formatLabels(spec.selector),
    },
  ],
});
