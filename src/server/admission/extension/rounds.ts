import { deepCopy, deepEqual, type KubeObject } from '../../../api/index.ts';
import type { AdmissionRequest } from '../../request.ts';

/**
 * Who is called again (reinvocationPolicy IfNeeded): a mutation makes a second round, in which those are called that asked for
 * it and whose object is no longer what they left.
 */
export class Rounds {
  readonly #requests = new WeakMap<AdmissionRequest, Map<string, KubeObject | undefined>>();

  /** In the first round everybody is due. */
  isDue(request: AdmissionRequest, id: string): boolean {
    if (!request.reinvocation.isReinvocation) return true;
    const left = this.#requests.get(request);
    return left?.has(id) === true && !deepEqual(left.get(id), request.object);
  }

  invoked(request: AdmissionRequest, id: string, { mutated, again }: { mutated: boolean; again: boolean }): void {
    if (request.reinvocation.isReinvocation) return;
    if (mutated) request.reinvocation.wanted = true;
    if (!again) return;
    const left = this.#requests.get(request) ?? new Map<string, KubeObject | undefined>();
    left.set(id, deepCopy(request.object));
    this.#requests.set(request, left);
  }
}
