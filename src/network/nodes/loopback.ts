/**
 * Doors from nodes' namespaces to services on the host's loopback: a resolver such as systemd's at 127.0.0.53, a registry at
 * localhost:5000. A node goes on using the loopback address, which its namespace leads to the gateway and the host back to its own
 * loopback. Only what is named gets a door; of two services with the same port the first.
 */
export interface LoopbackService {
  protocol: 'tcp' | 'udp';
  /** In 127.0.0.0/8. */
  address: string;
  port: number;
}

export const loopbackChain = (tag: string) => `K8TS-LOOP-${tag}`;

function distinct(services: readonly LoopbackService[]): LoopbackService[] {
  return [...new Map([...services].reverse().map((s) => [`${s.protocol} ${s.port}`, s])).values()].reverse();
}

interface HostDoors {
  tag: string;
  /** The host's leg in the nodes' network. */
  link: string;
  gateway: string;
  services: readonly LoopbackService[];
}

/** The host's side, as input of `iptables-restore` and the jumps that lead there. Pure. */
export function loopbackRulesOfHost({ tag, link, gateway, services }: HostDoors) {
  const chain = loopbackChain(tag);
  const rules = distinct(services).flatMap(({ protocol, address, port }) => [
    `-A ${chain} -i ${link} -d ${gateway} -p ${protocol} --dport ${port} -j DNAT --to-destination ${address}:${port}`,
    // A resolver stub answers only those who ask from loopback.
    `-A ${chain}-IN -i ${link} -d ${address} -p ${protocol} --dport ${port} -j SNAT --to-source 127.0.0.1`,
  ]);
  const jumps: [chain: string, rule: string[]][] = [
    ['PREROUTING', ['-j', chain]],
    ['INPUT', ['-j', `${chain}-IN`]],
  ];
  return { input: `*nat\n:${chain} - [0:0]\n:${chain}-IN - [0:0]\n${rules.join('\n')}\nCOMMIT\n`, jumps };
}

/** The rules of a fresh namespace, as input of `iptables-restore`. Pure. */
export function loopbackRulesOfNode({ tag, gateway, services }: Omit<HostDoors, 'link'>): string {
  const chain = loopbackChain(tag);
  const rules = distinct(services).map(
    ({ protocol, address, port }) => `-A ${chain} -d ${address} -p ${protocol} --dport ${port} -j DNAT --to-destination ${gateway}:${port}`,
  );
  return `*nat\n:${chain} - [0:0]\n${rules.join('\n')}\n-A OUTPUT -d 127.0.0.0/8 -j ${chain}\n-A POSTROUTING -s 127.0.0.0/8 -o eth0 -j MASQUERADE\nCOMMIT\n`;
}
