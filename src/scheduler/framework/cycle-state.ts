/** What one plugin keeps over one scheduling cycle. State that AddPod and RemovePod change must be able to copy itself. */
export interface StateData {
  clone?(): StateData;
}

/** What plugins hand from one extension point to the next within one scheduling cycle of one pod. */
export class CycleState {
  readonly #data = new Map<string, StateData>();
  /** Plugins whose Filter has nothing to do for this pod. */
  readonly skipFilter = new Set<string>();
  /** Plugins whose Score has nothing to do for this pod. */
  readonly skipScore = new Set<string>();

  write(key: string, data: StateData): void {
    this.#data.set(key, data);
  }

  /** The data under a key; a key belongs to the one plugin that knows its type. */
  read<T extends StateData>(key: string): T | undefined {
    // Whoever reads a key is the plugin that wrote it.
    return this.#data.get(key) as T | undefined;
  }

  clone(): CycleState {
    const copy = new CycleState();
    for (const [key, data] of this.#data) copy.#data.set(key, data.clone?.() ?? data);
    for (const name of this.skipFilter) copy.skipFilter.add(name);
    for (const name of this.skipScore) copy.skipScore.add(name);
    return copy;
  }
}
