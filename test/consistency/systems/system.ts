/** What is tested: API servers over one store, as processes, and what can be done to them. */
import type { Random } from '../../../src/time/index.ts';
import type { Incident } from '../history.ts';
import type { ServerAddress } from '../load/connection.ts';

export interface Fault {
  name: string;
  /** How long it lasts at most, in milliseconds; default 2500. */
  longestMs?: number;
  /** Does it, and answers how it is undone. */
  begin(random: Random): Promise<() => Promise<void>>;
}

export interface System {
  servers: ServerAddress[];
  faults: Fault[];
  /** Ends all processes and takes everything away. */
  stop(): Promise<void>;
}

export interface SystemOptions {
  /** What the system tells about itself. */
  tell(incident: Omit<Incident, 'entry' | 'at'>): void;
}

export const engines = ['memory', 'embedded', 'etcd', 'etcd-face'] as const;
export type Engine = (typeof engines)[number];
