interface Sample {
  labels: Record<string, string>;
  value: number;
  metricName?: string;
}

/** A histogram that costs an addition. */
export class Buckets {
  readonly bounds: readonly number[];
  /** The last is of what is above all bounds. */
  readonly #counts: number[];
  #count = 0;
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.#counts = new Array(bounds.length + 1).fill(0);
  }

  /** `times`: of what is observed all the time, for how long it was so. */
  observe(value: number, times = 1): void {
    const { bounds } = this;
    this.#count += times;
    this.#sum += value * times;
    let i = 0;
    while (i < bounds.length && value > (bounds[i] ?? 0)) i++;
    this.#counts[i] = (this.#counts[i] ?? 0) + times;
  }

  samples(name: string, labels: Record<string, string>): Sample[] {
    if (this.#count === 0) return [];
    let below = 0;
    const buckets = this.bounds.map((bound, i) => {
      below += this.#counts[i] ?? 0;
      return { metricName: `${name}_bucket`, labels: { ...labels, le: String(bound) }, value: below };
    });
    return [
      ...buckets,
      { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: this.#count },
      { metricName: `${name}_sum`, labels, value: this.#sum },
      { metricName: `${name}_count`, labels, value: this.#count },
    ];
  }
}
