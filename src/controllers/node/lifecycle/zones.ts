/**
 * How fast nodes that have failed get their NoExecute taint, by zone: slowly, more slowly where much of a zone fails at once,
 * and not at all when every zone has failed, since then it is more likely the control plane that is cut off.
 */
import type { Node } from '../../../api/index.ts';
import { createTokenBucket, type TokenBucket } from '../../../client/index.ts';
import type { Clock } from '../../../time/index.ts';
import type { ControllerConfig } from '../../framework/index.ts';

export type ZoneState = 'Initial' | 'Normal' | 'FullDisruption' | 'PartialDisruption';

export interface Zones {
  /** Takes in a node's zone and readiness; answers the nodes for which the pace has changed. */
  observe(name: string, zone: string, ready: boolean): string[];
  forget(name: string): string[];
  /** Milliseconds until this node may be tainted: 0 for now (which uses the zone's turn up), Infinity for not until the pace changes. */
  admit(name: string): number;
  /** Every zone has failed: no node is to be driven empty, and those that were about to be are let be. */
  readonly allDown: boolean;
}

/** Region and zone, as upstream joins them. */
export function zoneOf({ metadata: { labels = {} } }: Node): string {
  const region = labels['topology.kubernetes.io/region'] ?? labels['failure-domain.beta.kubernetes.io/region'] ?? '';
  const zone = labels['topology.kubernetes.io/zone'] ?? labels['failure-domain.beta.kubernetes.io/zone'] ?? '';
  return region || zone ? `${region}:\x00:${zone}` : '';
}

export function zoneState(ready: number, notReady: number, unhealthyThreshold: number): ZoneState {
  if (ready === 0 && notReady > 0) return 'FullDisruption';
  if (notReady > 2 && notReady / (notReady + ready) >= unhealthyThreshold) return 'PartialDisruption';
  return 'Normal';
}

interface Zone {
  nodes: Map<string, boolean>;
  state: ZoneState;
  rate: number;
  bucket: TokenBucket;
  /** Nodes that have a turn, and when it is. */
  turns: Map<string, number>;
}

/** What is told of a zone: how many nodes it has, how many of them are not ready, and the share of the others in per cent. */
export interface ZoneReport {
  zone: string;
  size: number;
  unhealthy: number;
  health: number;
}

export function createZones(clock: Clock, config: ControllerConfig, report: (zone: ZoneReport) => void = () => undefined): Zones {
  const zones = new Map<string, Zone>();
  const zoneNames = new Map<string, string>();
  let allDown = false;
  const bucket = (rate: number) => createTokenBucket(clock, rate, 1);

  const rateOf = (zone: Zone): number => {
    if (allDown) return 0;
    if (zone.state !== 'PartialDisruption') return config.nodeEvictionRate;
    return zone.nodes.size > config.largeClusterSizeThreshold ? config.secondaryNodeEvictionRate : 0;
  };

  const refresh = (): string[] => {
    for (const [name, zone] of zones) {
      const ready = [...zone.nodes.values()].filter(Boolean).length;
      const size = zone.nodes.size;
      report({ zone: name, size, unhealthy: size - ready, health: size > 0 ? (100 * ready) / size : 100 });
      zone.state = zoneState(ready, zone.nodes.size - ready, config.unhealthyZoneThreshold);
    }
    const wasDown = allDown;
    allDown = zones.size > 0 && [...zones.values()].every(({ state }) => state === 'FullDisruption');
    const changed: string[] = [];
    for (const zone of zones.values()) {
      const rate = rateOf(zone);
      if (rate === zone.rate && allDown === wasDown) continue;
      zone.rate = rate;
      zone.bucket = bucket(rate);
      zone.turns.clear();
      changed.push(...zone.nodes.keys());
    }
    return changed;
  };

  const leave = (name: string): void => {
    const zoneName = zoneNames.get(name);
    const zone = zoneName === undefined ? undefined : zones.get(zoneName);
    zone?.nodes.delete(name);
    zone?.turns.delete(name);
    if (zoneName !== undefined && zone?.nodes.size === 0) zones.delete(zoneName);
    zoneNames.delete(name);
  };

  return {
    observe(name, zoneName, ready) {
      if (zoneNames.get(name) === zoneName && zones.get(zoneName)?.nodes.get(name) === ready) return [];
      if (zoneNames.get(name) !== zoneName) leave(name);
      zoneNames.set(name, zoneName);
      let zone = zones.get(zoneName);
      if (!zone) {
        const rate = config.nodeEvictionRate;
        zone = { nodes: new Map(), state: 'Initial', rate, bucket: bucket(rate), turns: new Map() };
        zones.set(zoneName, zone);
      }
      zone.nodes.set(name, ready);
      if (ready) zone.turns.delete(name);
      return refresh();
    },
    forget(name) {
      leave(name);
      return refresh();
    },
    get allDown() {
      return allDown;
    },
    admit(name) {
      const zone = zones.get(zoneNames.get(name) ?? '');
      if (!zone || zone.rate === 0) return Number.POSITIVE_INFINITY;
      const now = clock.monotonic();
      let turn = zone.turns.get(name);
      if (turn === undefined) {
        turn = now + zone.bucket.reserve();
        zone.turns.set(name, turn);
      }
      return Math.max(0, turn - now);
    },
  };
}
