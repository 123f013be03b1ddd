import { ServiceCIDR } from '../../api/index.ts';
import { follow, type Storages } from '../storages.ts';
import { type IpRange, parseIpRange } from './ip-range.ts';

export interface ServiceRanges {
  /** Of either family. */
  all(): readonly IpRange[];
  /** What Services may have addresses of at present: the server's own range first, then others by name. */
  of(family: string): readonly IpRange[];
  /** Whether any range has the address, be it ready or on its way out. */
  contains(ip: string): boolean;
  onChange(listener: () => void): void;
  /** Resolves once it knows the present ServiceCIDRs. */
  synced: Promise<void>;
}

/** Without a condition it counts as ready: whoever sets it may not be running. */
const isReady = ({ metadata, status }: ServiceCIDR) =>
  metadata.deletionTimestamp === undefined && (status?.conditions?.find(({ type }) => type === 'Ready')?.status ?? 'True') === 'True';

/** Of larger ranges upstream gives out no addresses. */
const isSmallEnough = ({ cidr, family }: IpRange) => family === 'IPv4' || Number(cidr.slice(cidr.indexOf('/') + 1)) >= 64;

/**
 * The ranges of service addresses: --service-cluster-ip-range, and what ServiceCIDRs add to it while the server runs (KEP-1880). Its
 * own range counts, too, until a ServiceCIDR stands for it, and then as long as one of those is ready.
 */
export function serviceRanges(
  own: readonly IpRange[],
  options: { storages: Storages; signal: AbortSignal; onError(error: unknown): void },
): ServiceRanges {
  const known = new Map<string, { ranges: readonly IpRange[]; isReady: boolean }>();
  const listeners: (() => void)[] = [];
  let all = own;
  const changed = () => {
    const objects = [...known].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
    const ready = objects.filter((object) => object.isReady).flatMap(({ ranges }) => ranges);
    const isOver = ({ cidr }: IpRange) =>
      objects.some(({ ranges }) => ranges.some((range) => range.cidr === cidr)) && !ready.some((range) => range.cidr === cidr);
    all = [...new Map([...own.filter((range) => !isOver(range)), ...ready].map((range) => [range.cidr, range])).values()];
    for (const listener of listeners) listener();
  };
  const synced = follow(
    options.storages(ServiceCIDR),
    {
      reset() {
        known.clear();
        changed();
      },
      set(object) {
        const ranges = (object.spec?.cidrs ?? []).map(parseIpRange).filter(isSmallEnough);
        known.set(object.metadata.name, { ranges, isReady: isReady(object) });
        changed();
      },
      remove({ metadata }) {
        known.delete(metadata.name);
        changed();
      },
    },
    options,
  );
  return {
    all: () => all,
    of: (family) => all.filter((range) => range.family === family),
    contains: (ip) =>
      all.some((range) => range.contains(ip)) || [...known.values()].some(({ ranges }) => ranges.some((range) => range.contains(ip))),
    onChange: (listener) => listeners.push(listener),
    synced,
  };
}
