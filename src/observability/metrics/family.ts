/**
 * Counters, gauges and histograms for hot paths. prom-client hashes a metric's labels each time it is touched, which costs more
 * than a small request may; here the labels are looked up once, and what they name is a plain number from then on.
 * Families are registered with prom-client like its own metrics.
 */
import type { Metric, Registry } from 'prom-client';
import { labelText, type Sample, sampleLine } from './text-format.ts';

type Labels = Readonly<Record<string, string>>;

interface FamilyOptions {
  name: string;
  help: string;
}

/** What a registry asks of a child: its samples; and its lines, which are made of text that is kept. */
interface Child {
  samples(name: string): Sample[];
  text(name: string): string;
}

function register(registry: Registry, options: FamilyOptions, type: string, all: Map<string, Child>): void {
  const { name, help } = options;
  const family = {
    name,
    help,
    type,
    aggregator: 'sum',
    get: () => Promise.resolve({ name, help, type, aggregator: 'sum', values: [...all.values()].flatMap((child) => child.samples(name)) }),
    text() {
      let text = '';
      for (const child of all.values()) text += child.text(name);
      return text;
    },
    reset: () => all.clear(),
  };
  // All that a registry asks of a metric.
  registry.registerMetric(family as unknown as Metric<string>);
}

export class Cell implements Child {
  value = 0;
  readonly labels: Labels;
  #label: string | undefined;

  constructor(labels: Labels) {
    this.labels = labels;
  }

  inc(by = 1): void {
    this.value += by;
  }

  samples(): Sample[] {
    return [{ value: this.value, labels: this.labels }];
  }

  text(name: string): string {
    this.#label ??= labelText(this.labels);
    return sampleLine(name, this.#label, this.value);
  }
}

export interface Family<T> {
  /** What has these labels, in the order of the family's own; to be kept by who needs it often. */
  with(labels: Labels): T;
  /** Forgets what has these labels: it is no longer told. */
  drop(labels: Labels): void;
}

function family<T extends { labels: Labels }>(make: (labels: Labels) => T): Family<T> & { all: Map<string, T> } {
  const all = new Map<string, T>();
  const keyOf = (labels: Labels) => Object.values(labels).join('\u0000');
  return {
    all,
    drop: (labels) => void all.delete(keyOf(labels)),
    with(labels) {
      const key = keyOf(labels);
      let child = all.get(key);
      if (child === undefined) {
        child = make(labels);
        all.set(key, child);
      }
      return child;
    },
  };
}

function cells(registry: Registry, type: 'counter' | 'gauge', options: FamilyOptions): Family<Cell> {
  const { all, ...cells } = family((labels) => new Cell(labels));
  register(registry, options, type, all);
  return cells;
}

export const counters = (registry: Registry, options: FamilyOptions): Family<Cell> => cells(registry, 'counter', options);
export const gauges = (registry: Registry, options: FamilyOptions): Family<Cell> => cells(registry, 'gauge', options);

const leTextsOf = (bounds: readonly number[]) => [...bounds, '+Inf'].map((le) => labelText({ le }));

export class HistogramCell implements Child {
  readonly labels: Labels;
  readonly #bounds: readonly number[];
  /** Observations by the smallest bucket that takes them; the last is +Inf's. */
  readonly #counts: number[];
  #sum = 0;
  readonly #leTexts: readonly string[];
  #label: string | undefined;

  /** `leTexts`: the bounds as labels, of which a family has one list. */
  constructor(labels: Labels, bounds: readonly number[], leTexts: readonly string[] = leTextsOf(bounds)) {
    this.labels = labels;
    this.#bounds = bounds;
    this.#leTexts = leTexts;
    this.#counts = new Array(bounds.length + 1).fill(0);
  }

  /** `times`: so many observations that were so on average, or one that lasted so long. */
  observe(value: number, times = 1): void {
    const bounds = this.#bounds;
    let i = 0;
    while (i < bounds.length && value > (bounds[i] ?? 0)) i++;
    this.#counts[i] = (this.#counts[i] ?? 0) + times;
    this.#sum += value * times;
  }

  samples(name: string): Sample[] {
    const out: Sample[] = [];
    let count = 0;
    for (const [i, own] of this.#counts.entries()) {
      count += own;
      out.push({ metricName: `${name}_bucket`, labels: { ...this.labels, le: this.#bounds[i] ?? '+Inf' }, value: count });
    }
    out.push({ metricName: `${name}_sum`, labels: this.labels, value: this.#sum });
    out.push({ metricName: `${name}_count`, labels: this.labels, value: count });
    return out;
  }

  text(name: string): string {
    this.#label ??= labelText(this.labels);
    const label = this.#label;
    const before = label === '' ? '' : `${label},`;
    let text = '';
    let count = 0;
    for (let i = 0; i < this.#counts.length; i++) {
      count += this.#counts[i] ?? 0;
      text += sampleLine(`${name}_bucket`, `${before}${this.#leTexts[i]}`, count);
    }
    return text + sampleLine(`${name}_sum`, label, this.#sum) + sampleLine(`${name}_count`, label, count);
  }
}

export function histograms(registry: Registry, options: FamilyOptions & { buckets: readonly number[] }): Family<HistogramCell> {
  const { buckets, ...rest } = options;
  const leTexts = leTextsOf(buckets);
  const { all, ...cells } = family((labels) => new HistogramCell(labels, buckets, leTexts));
  register(registry, rest, 'histogram', all);
  return cells;
}
