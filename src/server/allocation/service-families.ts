/** ipFamilies and ipFamilyPolicy as the cluster's ranges, the given addresses and the Service as it was have them (KEP-563). */
import {
  deepEqual,
  type FieldErrors,
  FieldPath,
  isHeadless,
  needsClusterIp,
  type Service,
  type ServiceSpec,
  validateClusterIps,
} from '../../api/index.ts';
import type { IpRange } from './ip-range.ts';
import { refuseService } from './service-fields.ts';

type Family = 'IPv4' | 'IPv6';

const specPath = new FieldPath('spec');
const policyPath = specPath.child('ipFamilyPolicy');
const familyOf = (ip: string): Family => (ip.includes(':') ? 'IPv6' : 'IPv4');
const other = (family: string | undefined): Family => (family === 'IPv4' ? 'IPv6' : 'IPv4');

/** Of a Service that prefers two families nothing changes by itself, whatever has become of the cluster. */
function isKeptAsItIs({ spec: next = {} }: Service, prev: Service | undefined): boolean {
  if (!prev?.spec || next.ipFamilyPolicy !== 'PreferDualStack' || prev.spec.type !== next.type) return false;
  if ((prev.spec.ipFamilyPolicy ?? 'PreferDualStack') !== 'PreferDualStack') return false;
  return deepEqual(next.clusterIPs ?? [], prev.spec.clusterIPs ?? []) && deepEqual(next.ipFamilies ?? [], prev.spec.ipFamilies ?? []);
}

/** An update to one family gives up the second where it says no more of it; one to two families must not lose any. */
function reduced<T extends string>(
  spec: ServiceSpec,
  now: T[] | undefined,
  before: T[] | undefined,
  what: string,
  errors: FieldErrors,
): T[] {
  const list = now ?? [];
  if (spec.ipFamilyPolicy === 'SingleStack') return deepEqual(list, before ?? []) ? list.slice(0, 1) : list;
  if (list.length > 0 && list.length < (before?.length ?? 0))
    errors.invalid(policyPath, spec.ipFamilyPolicy, `must be 'SingleStack' to release the secondary ${what}`);
  return list;
}

/** Throws Invalid. */
export function settleFamilies(service: Service, prev: Service | undefined, ranges: readonly IpRange[]): void {
  const spec: ServiceSpec = service.spec ?? {};
  const primary = ranges[0]?.family;
  if (!needsClusterIp(service) || primary === undefined || isKeptAsItIs(service, prev)) return;
  const isConfigured = (family: string) => ranges.some((range) => range.family === family);
  const isDual = isConfigured('IPv4') && isConfigured('IPv6');
  // Endpoints of a Service without selector may be of any family, whatever the cluster's.
  const anyFamily = isHeadless(service) && Object.keys(spec.selector ?? {}).length === 0;
  spec.ipFamilyPolicy ??= prev?.spec?.ipFamilyPolicy ?? (anyFamily ? 'RequireDualStack' : 'SingleStack');
  const policy = spec.ipFamilyPolicy;
  refuseService(service, (errors) => validateClusterIps(service, errors));
  refuseService(service, (errors) => {
    if (prev?.spec) {
      const clusterIPs = reduced(spec, spec.clusterIPs, prev.spec.clusterIPs, 'cluster IP', errors);
      if (clusterIPs.length > 0) spec.clusterIPs = clusterIPs;
      spec.ipFamilies = reduced(spec, spec.ipFamilies, prev.spec.ipFamilies, 'IP family', errors);
    }
    const several = "must be 'RequireDualStack' or 'PreferDualStack' when multiple";
    if (policy === 'SingleStack' && spec.clusterIPs?.length === 2)
      errors.invalid(policyPath, policy, `${several} cluster IPs are specified`);
    if (policy === 'SingleStack' && spec.ipFamilies?.length === 2)
      errors.invalid(policyPath, policy, `${several} IP families are specified`);
    const families = [...(spec.ipFamilies ?? [])];
    for (const [i, ip] of (spec.clusterIPs ?? []).entries()) {
      if (ip === 'None') break;
      if (i < families.length) continue;
      const family = familyOf(ip);
      if (isConfigured(family)) families.push(family);
      else errors.invalid(specPath.child('clusterIPs').index(i), spec.clusterIPs, `${family} is not configured on this cluster`);
    }
    spec.ipFamilies = families;
  });
  const families = spec.ipFamilies ?? [];
  if (!anyFamily)
    refuseService(service, (errors) => {
      if (policy === 'RequireDualStack' && !isDual)
        errors.invalid(policyPath, policy, 'this cluster is not configured for dual-stack services');
      for (const [i, family] of families.entries())
        if (!isConfigured(family)) errors.invalid(specPath.child('ipFamilies').index(i), family, 'not configured on this cluster');
    });
  if (families.length === 0) families.push(primary);
  if (families.length === 1 && policy !== 'SingleStack' && (isDual || anyFamily)) families.push(other(families[0]));
  spec.ipFamilies = families;
}
