import { ServiceCIDR } from '../../api/index.ts';
import { follow, type Storages } from '../storages.ts';
import { type IpRange, parseIpRange } from './ip-range.ts';

export interface ServiceRanges {
  /** Of either family. */
  all(): readonly IpRange[];
  /** What Services may have addresses of at present: the server's own range first, then others by name. */
  of(family: string): readonly IpRange[];
  /** Resolves once it knows the present ServiceCIDRs. */
  synced: Promise<void>;
}

/** Without a condition it counts as ready: whoever sets it may not be running. */
const isReady = ({ metadata, status }: ServiceCIDR) =>
  metadata.deletionTimestamp === undefined && (status?.conditions?.find(({ type }) => type === 'Ready')?.status ?? 'True') === 'True';

/** The ranges of service addresses: --service-cluster-ip-range, and what ServiceCIDRs add to it while the server runs (KEP-1880). */
export function serviceRanges(
  own: readonly IpRange[],
  options: { storages: Storages; signal: AbortSignal; onError(error: unknown): void },
): ServiceRanges {
  const ready = new Map<string, readonly IpRange[]>();
  let all = own;
  const changed = () => {
    const added = [...ready].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, ranges]) => ranges);
    all = [...new Map([...own, ...added].map((range) => [range.cidr, range])).values()];
  };
  const synced = follow(
    options.storages(ServiceCIDR),
    {
      reset() {
        ready.clear();
        changed();
      },
      set(object) {
        const { name } = object.metadata;
        if (isReady(object)) ready.set(name, (object.spec?.cidrs ?? []).map(parseIpRange));
        else ready.delete(name);
        changed();
      },
      remove({ metadata }) {
        ready.delete(metadata.name);
        changed();
      },
    },
    options,
  );
  return { all: () => all, of: (family) => all.filter((range) => range.family === family), synced };
}
