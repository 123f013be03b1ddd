import { deepCopy, deepEqual, type KubeObject } from '../../../api/index.ts';
import type { AdmissionRequest } from '../../request.ts';

interface State {
  /** Called before, and not to be called again yet; of those that ask for it (reinvocationPolicy IfNeeded). */
  waiting: Set<string>;
  due: Set<string>;
  /** The object as the last round has left it. */
  left: KubeObject | undefined;
}

/**
 * Who is called again: a mutation makes a second round, in which those are called that asked for it and that were called before the
 * object last changed (k8s.io/apiserver's reinvocation contexts).
 */
export class Rounds {
  readonly #requests = new WeakMap<AdmissionRequest, State>();

  #stateOf(request: AdmissionRequest): State {
    const known = this.#requests.get(request);
    if (known) return known;
    const state: State = { waiting: new Set(), due: new Set(), left: undefined };
    this.#requests.set(request, state);
    return state;
  }

  /** Begins a round: what others have changed since the last one is news to everybody. */
  begin(request: AdmissionRequest): void {
    const state = this.#requests.get(request);
    if (state && request.reinvocation.isReinvocation && !deepEqual(state.left, request.object)) this.changed(request);
  }

  /** In the first round everybody is due. */
  isDue(request: AdmissionRequest, id: string): boolean {
    return !request.reinvocation.isReinvocation || this.#requests.get(request)?.due.has(id) === true;
  }

  /** Who has been called up to now is due in the next round, or later in this. */
  changed(request: AdmissionRequest): void {
    if (!request.reinvocation.isReinvocation) request.reinvocation.wanted = true;
    const state = this.#requests.get(request);
    if (!state) return;
    for (const id of state.waiting) state.due.add(id);
    state.waiting.clear();
  }

  invoked(request: AdmissionRequest, id: string, { mutated, again }: { mutated: boolean; again: boolean }): void {
    if (mutated) this.changed(request);
    if (again) this.#stateOf(request).waiting.add(id);
  }

  /** Ends a round. */
  end(request: AdmissionRequest): void {
    const state = this.#requests.get(request);
    if (state && !request.reinvocation.isReinvocation) state.left = deepCopy(request.object);
  }
}
