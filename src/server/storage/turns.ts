/**
 * Who goes next among those who change the same object at once. Optimistic writers of one key lose against each other again and
 * again: so many at once cost the square of their number. So who has lost a race waits for those who lost one before; and while
 * anybody waits, who comes joins the line. A turn is a courtesy and no lock: one that lasts long lets the next one go as well, since
 * its holder may be waiting for somebody in the line (a webhook that changes the object which it is asked about).
 */
import type { Clock, Timer } from '../../time/index.ts';

/** So long does one turn keep the others waiting. */
const turnMs = 1000;

export interface Turn {
  /** Lets the next one go. */
  end(): void;
}

export class Turns {
  readonly #clock: Clock;
  /** Those who wait, by key; the one whose turn it is is not among them. */
  readonly #lines = new Map<string, (() => void)[]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether somebody has a turn at the key. */
  isTaken(key: string): boolean {
    return this.#lines.has(key);
  }

  /** Resolves when it is the caller's turn, who must end it. */
  async take(key: string): Promise<Turn> {
    const line = this.#lines.get(key);
    if (line) await new Promise<void>((go) => line.push(go));
    else this.#lines.set(key, []);
    let timer: Timer | undefined;
    let isOver = false;
    const end = () => {
      if (isOver) return;
      isOver = true;
      timer?.cancel();
      this.#next(key);
    };
    timer = this.#clock.setTimer(turnMs, end, { background: true });
    return { end };
  }

  #next(key: string): void {
    const next = this.#lines.get(key)?.shift();
    if (next) next();
    else this.#lines.delete(key);
  }
}
