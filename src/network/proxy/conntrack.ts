/**
 * UDP has no connections, so conntrack keeps sending a flow to an endpoint that is gone. The entries of service addresses whose
 * endpoints changed are deleted, as kube-proxy does.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type ServicePort, usableEndpoints } from './service-map.ts';

const execute = promisify(execFile);

/** `conntrack -D` arguments for the flows that must not go on. Pure. */
export function staleFlows(before: readonly ServicePort[], after: readonly ServicePort[]): string[][] {
  const now = new Map(after.map((p) => [`${p.name}/${p.protocol}`, p]));
  const flows: string[][] = [];
  const old = new Map(before.map((p) => [`${p.name}/${p.protocol}`, p]));
  for (const port of before) {
    if (port.protocol !== 'udp') continue;
    const current = new Set(usableEndpoints(now.get(`${port.name}/udp`)?.endpoints ?? []).map((e) => e.ip));
    for (const e of usableEndpoints(port.endpoints)) {
      if (current.has(e.ip)) continue;
      flows.push(['-D', '-p', 'udp', '--orig-dst', port.clusterIP, '--dst-nat', e.ip]);
      if (port.nodePort > 0) flows.push(['-D', '-p', 'udp', '--dport', String(port.nodePort), '--dst-nat', e.ip]);
    }
  }
  for (const port of after) {
    // From none to some: flows that were rejected have entries too.
    const had = usableEndpoints(old.get(`${port.name}/udp`)?.endpoints ?? []).length > 0;
    if (port.protocol === 'udp' && !had && old.has(`${port.name}/udp`) && usableEndpoints(port.endpoints).length > 0)
      flows.push(['-D', '-p', 'udp', '--orig-dst', port.clusterIP]);
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
