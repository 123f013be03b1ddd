/** What of a service has no effect, or soon none (upstream: pkg/api/service/warnings.go). */
import { FieldPath } from '../fields.ts';
import type { Service } from '../generated/core.v1.ts';
import { cidrWarnings, ipWarnings } from '../warnings.ts';
import { isHeadless } from './service-traits.ts';

const specPath = new FieldPath('spec');
export const topologyHintsAnnotation = 'service.kubernetes.io/topology-aware-hints';
export const topologyModeAnnotation = 'service.kubernetes.io/topology-mode';

export function serviceWarnings(service: Service): string[] {
  const { metadata, spec } = service;
  const { clusterIP, clusterIPs = [], externalIPs = [], externalName, loadBalancerIP, loadBalancerSourceRanges = [], type } = spec;
  const warnings: string[] = [];
  if (metadata.annotations?.[topologyHintsAnnotation] !== undefined)
    warnings.push(`annotation ${topologyHintsAnnotation} is deprecated, please use ${topologyModeAnnotation} instead`);
  const isExternalName = type === 'ExternalName';
  const isWithoutIp = type === 'ClusterIP' && clusterIP === 'None';
  if (!isExternalName && !isHeadless(service) && clusterIP)
    for (const [i, ip] of clusterIPs.entries()) warnings.push(...ipWarnings(specPath.child('clusterIPs').index(i), ip));
  if (isWithoutIp) {
    if (loadBalancerIP) warnings.push('spec.loadBalancerIP is ignored for headless services');
    if (externalIPs.length > 0) warnings.push('spec.externalIPs is ignored for headless services');
    if (spec.sessionAffinity !== 'None') warnings.push('spec.SessionAffinity is ignored for headless services');
  }
  for (const [i, ip] of externalIPs.entries()) warnings.push(...ipWarnings(specPath.child('externalIPs').index(i), ip));
  if (externalIPs.length > 0 && !isWithoutIp && !isExternalName)
    warnings.push('spec.externalIPs is deprecated and may no longer be implemented in some clusters');
  if (loadBalancerIP) warnings.push(...ipWarnings(specPath.child('loadBalancerIP'), loadBalancerIP));
  for (const [i, range] of loadBalancerSourceRanges.entries())
    warnings.push(...cidrWarnings(specPath.child('loadBalancerSourceRanges').index(i), range));
  if (isExternalName && externalIPs.length > 0) warnings.push('spec.externalIPs is ignored when spec.type is "ExternalName"');
  if (!isExternalName && externalName) warnings.push('spec.externalName is ignored when spec.type is not "ExternalName"');
  if (spec.trafficDistribution === 'PreferClose')
    warnings.push('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"');
  return warnings;
}

/** Addresses of the load balancer in forms of old. */
export function serviceStatusWarnings({ status }: Service): string[] {
  const path = new FieldPath('status').child('loadBalancer', 'ingress');
  return (status?.loadBalancer?.ingress ?? []).flatMap(({ ip }, i) => (ip ? ipWarnings(path.index(i), ip) : []));
}
