/**
 * Whether concurrent operations could have happened one after the other, each at one moment between its call and its answer: the search
 * of Wing and Gong ("Testing and verifying concurrent objects", 1993) with Lowe's memory of what was tried ("Testing for
 * linearizability", 2017), over any deterministic model.
 */

export interface Step<State> {
  calledAt: number;
  /** Infinity where no answer came: it may then have happened at any time after the call. */
  answeredAt: number;
  /** It may as well never have happened. */
  optional?: boolean;
  /** Where it probably comes in the order: those with less are tried first. */
  hint?: number;
  /** The state after it; undefined where it can't have happened in this state. */
  apply(state: State): State | undefined;
}

export interface Model<State> {
  initial: State;
  /** Equal for equal states. */
  fingerprint(state: State): string;
}

export type Verdict<S, State> =
  | { ok: true }
  | {
      ok: false;
      /** The longest order that was found, ... */
      order: S[];
      /** ... the state after it, ... */
      state: State;
      /** ... and those of which one had to come next, and none could. */
      stuck: S[];
    };

interface Taken<S, State> {
  step: S;
  state: State;
}

export function linearize<State, S extends Step<State>>(model: Model<State>, operations: readonly S[]): Verdict<S, State> {
  const steps = operations.toSorted((a, b) => a.calledAt - b.calledAt);
  const indexOf = new Map(steps.map((step, index) => [step, index]));
  const taken = new Set<S>();
  const tried = new Set<string>();
  const stack: Taken<S, State>[] = [];
  let required = steps.filter((step) => !step.optional).length;
  let state = model.initial;
  let best: { order: S[]; state: State; stuck: S[] } | undefined;
  /** All before it are taken. */
  let first = 0;

  /** Steps that may come next: called before every answer that is still owed. */
  const candidates = (): S[] => {
    while (first < steps.length && taken.has(steps[first] as S)) first++;
    const found: S[] = [];
    let deadline = Number.POSITIVE_INFINITY;
    for (let i = first; i < steps.length; i++) {
      const step = steps[i] as S;
      if (taken.has(step)) continue;
      if (step.calledAt > deadline) break;
      found.push(step);
      if (!step.optional) deadline = Math.min(deadline, step.answeredAt);
    }
    return found.sort((a, b) => (a.hint ?? 0) - (b.hint ?? 0));
  };
  /** What was taken beyond `first`, and the state, tell what is left to be done. */
  const situation = (): string => {
    while (first < steps.length && taken.has(steps[first] as S)) first++;
    let ahead = '';
    for (let i = first, left = taken.size - first; left > 0; i++) {
      if (!taken.has(steps[i] as S)) continue;
      ahead += `,${i}`;
      left--;
    }
    return `${first}${ahead} ${model.fingerprint(state)}`;
  };

  const untake = (step: S) => {
    taken.delete(step);
    first = Math.min(first, indexOf.get(step) ?? 0);
  };

  const untried: S[][] = [candidates()];
  for (;;) {
    if (required === 0) return { ok: true };
    const choices = untried.at(-1) as S[];
    let advanced = false;
    for (let step = choices.shift(); step; step = choices.shift()) {
      const next = step.apply(state);
      if (next === undefined) continue;
      const before = state;
      taken.add(step);
      state = next;
      const key = situation();
      if (tried.has(key)) {
        untake(step);
        state = before;
        continue;
      }
      tried.add(key);
      stack.push({ step, state: before });
      if (!step.optional) required--;
      untried.push(candidates());
      advanced = true;
      break;
    }
    if (advanced) continue;
    if (!best || stack.length > best.order.length) best = { order: stack.map((t) => t.step), state, stuck: candidates() };
    untried.pop();
    const last = stack.pop();
    if (!last) return { ok: false, ...best };
    untake(last.step);
    state = last.state;
    if (!last.step.optional) required++;
  }
}
