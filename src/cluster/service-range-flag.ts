/** --service-cluster-ip-range: one range of cluster IPs, or one of each family. */
import { type Cidr, cidrSize, formatCidr, networkOf, parseLooseCidr } from '../api/index.ts';
import { ClusterError } from './cluster-error.ts';

const leastAddresses = 8n;

/** The ranges as CIDRs, the first of them the cluster's own. Throws ClusterError in upstream's words. */
export function serviceRanges(text: string): string[] {
  const given = text.split(',');
  const ranges = given.slice(0, 2).map((each, i): Cidr => {
    const cidr = parseLooseCidr(each)?.cidr;
    if (cidr === undefined) throw new ClusterError(`service-cluster-ip-range[${i}] is not ${i === 0 ? 'a valid cidr' : 'an ip net'}`);
    return { ...cidr, address: networkOf(cidr) };
  });
  const [first, second] = ranges;
  if (first && cidrSize(first) < leastAddresses)
    throw new ClusterError(
      'error determining service IP ranges for primary service cidr: the service cluster IP range must be at least 8 IP addresses',
    );
  if (given.length > 2) throw new ClusterError('--service-cluster-ip-range must not contain more than two entries');
  if (first && second && first.address.family === second.address.family)
    throw new ClusterError('--service-cluster-ip-range[0] and --service-cluster-ip-range[1] must be of different IP family');
  return ranges.map(formatCidr);
}
