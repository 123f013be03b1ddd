/**
 * UDP has no connections, so conntrack keeps sending a flow to an endpoint that is gone. The entries of service addresses whose
 * endpoints changed are deleted, as kube-proxy does.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { nearestEndpoints, type ServicePort } from './service-map.ts';

const execute = promisify(execFile);

/** How flows to a service port are told: by each of its addresses, and by its node port. */
function waysTo({ clusterIP, externalIPs, loadBalancerIPs, nodePort }: ServicePort): string[][] {
  const addresses = [clusterIP, ...externalIPs, ...loadBalancerIPs].map((ip) => ['--orig-dst', ip]);
  return nodePort > 0 ? [...addresses, ['--dport', String(nodePort)]] : addresses;
}

/** `conntrack -D` arguments for the flows that must not go on. Pure. */
export function staleFlows(before: readonly ServicePort[], after: readonly ServicePort[]): string[][] {
  const now = new Map(after.map((p) => [`${p.name}/${p.protocol}`, p]));
  const flows: string[][] = [];
  const old = new Map(before.map((p) => [`${p.name}/${p.protocol}`, p]));
  for (const port of before) {
    if (port.protocol !== 'udp') continue;
    const current = new Set(nearestEndpoints(now.get(`${port.name}/udp`)?.endpoints ?? []).map((e) => e.ip));
    for (const e of nearestEndpoints(port.endpoints)) {
      if (current.has(e.ip)) continue;
      for (const match of waysTo(port)) flows.push(['-D', '-p', 'udp', ...match, '--dst-nat', e.ip]);
    }
  }
  for (const port of after) {
    if (port.protocol !== 'udp' || nearestEndpoints(port.endpoints).length === 0) continue;
    // From none to some, or by a way that is new: flows that went nowhere have entries too.
    const last = old.get(`${port.name}/udp`);
    const known = last && nearestEndpoints(last.endpoints).length > 0 ? new Set(waysTo(last).map(String)) : new Set<string>();
    for (const match of waysTo(port)) if (!known.has(String(match))) flows.push(['-D', '-p', 'udp', ...match]);
  }
  return flows;
}

export async function deleteStaleConntrack(before: readonly ServicePort[], after: readonly ServicePort[]): Promise<void> {
  for (const args of staleFlows(before, after)) {
    try {
      await execute('conntrack', args);
    } catch (error) {
      // Exit code 1: no entry matched, which is fine.
      if (!(error instanceof Error && 'code' in error && error.code === 1)) throw error;
    }
  }
}
