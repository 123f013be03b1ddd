import { type Node, Node as NodeResource, parseCidr } from '../../api/index.ts';
import { defineController } from '../framework/index.ts';
import { type CidrSet, createCidrSet } from './cidr-set.ts';

/** Each node has a range of pod addresses of its own, of each IP family that the cluster has (upstream's RangeAllocator). */
export const nodeIpamController = defineController('node-ipam-controller', ({ client, informers, config, recorder }, queue) => {
  const nodes = informers.for(NodeResource);
  const events = recorder('cidrAllocator');
  const cidrOf = (text: string) => {
    const cidr = parseCidr(text);
    if (!cidr) throw new Error(`invalid CIDR ${JSON.stringify(text)}`);
    return cidr;
  };
  const sets: CidrSet[] = config.clusterCidrs.map((text) => {
    const cluster = cidrOf(text);
    const set = createCidrSet(cluster, cluster.address.family === 4 ? config.nodeCidrMaskSizeIpv4 : config.nodeCidrMaskSizeIpv6);
    for (const services of config.serviceCidrs) set.occupy(cidrOf(services));
    return set;
  });

  const rangesOf = ({ spec }: Node) => (spec.podCIDRs ?? (spec.podCIDR ? [spec.podCIDR] : [])).flatMap((text) => parseCidr(text) ?? []);
  const all = (ranges: ReturnType<typeof rangesOf>, act: 'occupy' | 'release') => {
    for (const range of ranges) for (const set of sets) set[act](range);
  };
  // Ranges in use are taken before the first is given out: the queue is worked only when the informer has told of all nodes. What a
  // node is changed to does not matter: its ranges stay, and who has got none is in the queue until there is one.
  nodes.addHandler({
    add(node) {
      all(rangesOf(node), 'occupy');
      queue.add(node.metadata.name);
    },
    delete: (node) => all(rangesOf(node), 'release'),
  });

  return {
    informers: [nodes],
    // One by one: the sets are shared.
    workers: 1,
    async reconcile(name, signal) {
      const node = nodes.lister.get(name);
      if (!node || sets.length === 0 || rangesOf(node).length > 0 || node.metadata.deletionTimestamp) return;
      const ranges: string[] = [];
      const giveBack = () => all(ranges.map(cidrOf), 'release');
      for (const set of sets) {
        const range = set.allocate();
        if (range === undefined) {
          giveBack();
          events.event(node, 'Normal', 'CIDRNotAvailable', `Node ${name} status is now: CIDRNotAvailable`);
          throw new Error(
            `failed to allocate cidr from cluster cidr at idx:${ranges.length}: CIDR allocation failed; there are no remaining CIDRs left to allocate in the accepted range`,
          );
        }
        ranges.push(range);
      }
      try {
        await client.patch(NodeResource, name, 'strategic', { spec: { podCIDR: ranges[0], podCIDRs: ranges } }, { signal });
      } catch (error) {
        // The informer says what is true, if the write has come through after all.
        const written = nodes.lister.get(name);
        if (!written || rangesOf(written).length === 0) giveBack();
        throw error;
      }
    },
  };
});
