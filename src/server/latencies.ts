/** Where the time of a request goes (k8s.io/apiserver's latency trackers). */

export type Layer = 'apf-queue-wait' | 'authentication' | 'authorization' | 'impersonation' | 'mutating-webhook' | 'validating-webhook';

/** No objective is about what is spent there. */
const elsewhere: readonly Layer[] = ['apf-queue-wait', 'mutating-webhook', 'validating-webhook'];

export class Latencies {
  #spent: Map<Layer, number> | undefined;

  /** Validating webhooks are asked all at once: of them the slowest counts. */
  add(layer: Layer, milliseconds: number): void {
    this.#spent ??= new Map();
    const before = this.#spent.get(layer) ?? 0;
    this.#spent.set(layer, layer === 'validating-webhook' ? Math.max(before, milliseconds) : before + milliseconds);
  }

  /** Milliseconds by layer. */
  entries(): Iterable<[Layer, number]> {
    return this.#spent ?? [];
  }

  /** Milliseconds that a request has waited for its turn and for webhooks. */
  get elsewhereMs(): number {
    const spent = this.#spent;
    return spent === undefined ? 0 : elsewhere.reduce((sum, layer) => sum + (spent.get(layer) ?? 0), 0);
  }
}
