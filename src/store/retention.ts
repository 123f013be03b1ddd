/** How much of the past a store keeps, and when it is time to forget. */
import type { Snapshot } from './backend.ts';
import { revisionAt, revisionBySize } from './times.ts';

export interface Retention {
  /** Default 5 minutes, as kube-apiserver asks of etcd; no limit where `historyBytes` is given. */
  historyMs?: number;
  /** No more of the log than this, superseded values and keys, even where it is younger. */
  historyBytes?: number;
  /** No more revisions than this even where they are younger. Default 100,000; no limit where one of the others is given. */
  historyRevisions?: number;
}

/** History is looked at again after this share of what is kept has been added. */
const share = 1 / 20;

const units: Record<string, number> = { '': 1, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, k: 1e3, M: 1e6, G: 1e9 };
const durations: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `1h`, `90m`, `7d`, `512Mi`, or both, whichever is less: `1h,512Mi`. undefined: not understood. */
export function parseRetention(text: string): Retention | undefined {
  const retention: Retention = {};
  for (const part of text.split(',')) {
    const size = /^(\d+(?:\.\d+)?)(Ki|Mi|Gi|k|M|G)$/.exec(part);
    const times = /^(?:\d+(?:\.\d+)?[smhd])+$/.test(part) ? [...part.matchAll(/([\d.]+)([smhd])/g)] : [];
    if (size) retention.historyBytes = Number(size[1]) * (units[size[2] ?? ''] ?? 1);
    else if (times.length > 0) retention.historyMs = times.reduce((sum, [, n, unit]) => sum + Number(n) * (durations[unit ?? ''] ?? 0), 0);
    else return undefined;
  }
  return retention;
}

/** Says now and then, as writes go on, up to which revision history is older than it need be. No timer, so an idle store sleeps. */
export class Forgetting {
  readonly #ms: number;
  readonly #bytes: number;
  readonly #revisions: number;
  #looked = { atMs: Number.NEGATIVE_INFINITY, bytes: Number.NEGATIVE_INFINITY, revision: Number.NEGATIVE_INFINITY };

  constructor({ historyMs, historyBytes, historyRevisions }: Retention = {}) {
    this.#ms = historyMs ?? (historyBytes === undefined ? 300_000 : Number.POSITIVE_INFINITY);
    this.#bytes = historyBytes ?? Number.POSITIVE_INFINITY;
    this.#revisions = historyRevisions ?? (historyMs === undefined && historyBytes === undefined ? 100_000 : Number.POSITIVE_INFINITY);
  }

  /** The revision to compact to; undefined where nothing is to be done. */
  target(
    snapshot: () => Snapshot,
    nowMs: number,
    counters: { revision: number; compactRevision: number; writtenBytes: number },
  ): number | undefined {
    const { atMs, bytes, revision } = this.#looked;
    const due =
      nowMs - atMs >= this.#ms * share ||
      counters.writtenBytes - bytes >= this.#bytes * share ||
      counters.revision - revision >= this.#revisions * share;
    if (!due) return undefined;
    this.#looked = { atMs: nowMs, bytes: counters.writtenBytes, revision: counters.revision };
    const present = snapshot();
    const target = Math.max(
      counters.revision - this.#revisions,
      this.#ms < Number.POSITIVE_INFINITY ? (revisionAt(present, nowMs - this.#ms) ?? 0) : 0,
      this.#bytes < Number.POSITIVE_INFINITY ? revisionBySize(present, this.#bytes) : 0,
    );
    return target > counters.compactRevision ? target : undefined;
  }
}
