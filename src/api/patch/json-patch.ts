/**
 * JSON Patch (RFC 6902) as upstream's library has it (gopkg.in/evanphx/json-patch.v4), which is more lenient in places: `replace` may
 * make a key, `copy` takes null from a key that isn't there, indices may be signed, and count from the end if negative. Own code
 * rather than fast-json-patch or rfc6902: those mutate or deep-copy the whole document, and neither gives upstream's error messages;
 * here a patch copies only the containers on the paths that it touches.
 */
import { setKey } from '../decode.ts';
import { deepCopy, deepEqual } from '../equality.ts';
import { goQuote } from '../fields.ts';
import { isTooDeep, nestingOf } from '../nesting.ts';

/** 400, 422 or 413; `Unknown` is 500: upstream's server does not expect such errors, and just tells them. */
export type PatchErrorReason = 'BadRequest' | 'Invalid' | 'RequestEntityTooLarge' | 'Unknown';

/** A patch that cannot be read or applied; the message is upstream's. */
export class PatchError extends Error {
  override readonly name = 'PatchError';
  readonly reason: PatchErrorReason;
  /** Nothing is wrong with the patch but that one of its tests does not hold. */
  readonly isFailedTest: boolean;

  constructor(message: string, reason: PatchErrorReason = 'Invalid', isFailedTest = false) {
    super(message);
    this.reason = reason;
    this.isFailedTest = isFailedTest;
  }
}

type Container = Record<string, unknown> | unknown[];

/** Members are checked as they are used. */
type Operation = { readonly [field: string]: unknown };

/** Upstream's limit on the operations of one patch. */
const maxOperations = 10_000;

/** What Go's JSON calls a value that is of another type than was asked for. */
export function jsonTypeOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value === 'bigint' ? 'number' : typeof value;
}

function parseOperations(patch: unknown): Operation[] {
  if (patch === null) return [];
  if (!Array.isArray(patch))
    throw new PatchError(`json: cannot unmarshal ${jsonTypeOf(patch)} into Go value of type jsonpatch.Patch`, 'BadRequest');
  if (patch.length > maxOperations)
    throw new PatchError(
      `Request entity too large: The allowed maximum operations in a JSON patch is ${maxOperations}, got ${patch.length}`,
      'RequestEntityTooLarge',
    );
  return patch.map((operation) => {
    if (operation === null) return {};
    if (typeof operation !== 'object' || Array.isArray(operation))
      throw new PatchError(`json: cannot unmarshal ${jsonTypeOf(operation)} into Go value of type jsonpatch.Operation`, 'BadRequest');
    return operation as Operation; // an object, as was just seen
  });
}

const missing = 'missing value';

/** `path` or `from`; the texts say what they are without what is wrong (upstream tells that of some operations only). */
function pointerIn(operation: Operation, field: 'path' | 'from', failure: string, bare = false): string {
  const value = operation[field];
  if (typeof value === 'string') return value;
  if (bare) throw new PatchError(`${failure}: ${missing}`);
  if (value !== undefined && value !== null)
    throw new PatchError(`${failure}: json: cannot unmarshal ${jsonTypeOf(value)} into Go value of type string`);
  throw new PatchError(`${failure}: operation${field === 'from' ? ', missing from' : ' missing path'} field: ${missing}`);
}

/** The steps to a place; undefined for a pointer to none, such as the root. What stands before the first slash says nothing. */
function stepsOf(pointer: string): [parents: string[], last: string] | undefined {
  const [, ...steps] = pointer.split('/').map((part) => part.replaceAll(/~[01]/g, (sequence) => (sequence === '~1' ? '/' : '~')));
  const last = steps.pop();
  return last === undefined ? undefined : [steps, last];
}

const isContainer = (value: unknown): value is Container => typeof value === 'object' && value !== null;

/** A list index as Go's Atoi reads it; an error's text for what is none. */
function atoi(step: string): number | string {
  const failed = (why: string) => `strconv.Atoi: parsing ${goQuote(step)}: ${why}`;
  if (!/^[+-]?\d+$/.test(step)) return failed('invalid syntax');
  const value = BigInt(step.replace('+', ''));
  return value === BigInt.asIntN(64, value) ? Number(value) : failed('value out of range');
}

/** The place in a list of so many that a step means; throws what is wrong with it. */
function indexIn(length: number, step: string, notANumber = (why: string) => why): number {
  const index = atoi(step);
  if (typeof index === 'string') throw new PatchError(notANumber(index));
  if (index >= length || index < -length) throw new PatchError(`Unable to access invalid index: ${index}: invalid index referenced`);
  return index < 0 ? index + length : index;
}

function get(container: Container, step: string): unknown {
  if (Array.isArray(container)) return container[indexIn(container.length, step)] ?? null;
  return Object.hasOwn(container, step) ? container[step] : null;
}

function put(container: Container, step: string, value: unknown): void {
  if (Array.isArray(container)) container[indexIn(container.length, step)] = value;
  else setKey(container, step, value);
}

function insert(container: Container, step: string, value: unknown): void {
  if (!Array.isArray(container)) setKey(container, step, value);
  else if (step === '-') container.push(value);
  else
    container.splice(
      indexIn(container.length + 1, step, (why) => `value was not a proper array index: '${step}': ${why}`),
      0,
      value,
    );
}

function drop(container: Container, step: string): void {
  if (Array.isArray(container)) container.splice(indexIn(container.length, step), 1);
  else if (Object.hasOwn(container, step)) delete container[step];
  else throw new PatchError(`Unable to remove nonexistent key: ${step}: ${missing}`);
}

/** Says where what is wrong in `act` is. */
function at<T>(where: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw error instanceof PatchError ? new PatchError(`${where}: ${error.message}`) : error;
  }
}

class PatchedDocument {
  root: unknown;
  /** Containers that this patch has made itself and may change. */
  readonly #owned = new WeakSet<object>();

  constructor(root: unknown) {
    this.root = root;
  }

  #own(value: Container): Container {
    if (this.#owned.has(value)) return value;
    let copy: Container;
    if (Array.isArray(value)) copy = value.slice();
    else {
      copy = {};
      for (const key of Object.keys(value)) setKey(copy, key, value[key]);
    }
    this.#owned.add(copy);
    return copy;
  }

  /** The container of a place, and the last step to it; to write there, private to this patch. */
  find(pointer: string, failure: string, writes = true): [container: Container, last: string] {
    const lost = () => new PatchError(`${failure}: ${missing}`);
    const steps = stepsOf(pointer);
    if (steps === undefined || !isContainer(this.root)) throw lost();
    const [parents, last] = steps;
    let current = writes ? this.#own(this.root) : this.root;
    if (writes) this.root = current;
    for (const step of parents) {
      let next: unknown;
      try {
        next = get(current, step);
      } catch (error) {
        throw error instanceof PatchError ? lost() : error;
      }
      if (!isContainer(next)) throw lost();
      if (writes) {
        next = this.#own(next);
        put(current, step, next);
      }
      current = next as Container; // as was just seen
    }
    return [current, last];
  }
}

/** Values put into each other could grow deeper than any text that may be read. */
function checkNesting(pointer: string, value: unknown): void {
  if (isContainer(value) && isTooDeep(pointer.split('/').length - 1 + nestingOf(value))) throw new PatchError('exceeded max depth');
}

function applyOperation(document: PatchedDocument, operation: Operation): void {
  const { op, value = null } = operation;
  switch (op) {
    case 'add': {
      const path = pointerIn(operation, 'path', 'add operation failed to decode path', true);
      checkNesting(path, value);
      const [container, last] = document.find(path, `add operation does not apply: doc is missing path: "${path}"`);
      at(`error in add for path: '${path}'`, () => insert(container, last, value));
      break;
    }
    case 'remove': {
      const path = pointerIn(operation, 'path', 'remove operation failed to decode path', true);
      const [container, last] = document.find(path, `remove operation does not apply: doc is missing path: "${path}"`);
      at(`error in remove for path: '${path}'`, () => drop(container, last));
      break;
    }
    case 'replace':
      replace(document, operation, value);
      break;
    case 'move': {
      const from = pointerIn(operation, 'from', 'move operation failed to decode from');
      const [source, key] = document.find(from, `move operation does not apply: doc is missing from path: ${from}`);
      const moved = at(`error in move for path: '${key}'`, () => {
        const found = get(source, key);
        drop(source, key);
        return found;
      });
      const path = pointerIn(operation, 'path', 'move operation failed to decode path');
      checkNesting(path, moved);
      const [target, last] = document.find(path, `move operation does not apply: doc is missing destination path: ${path}`);
      at(`error in move for path: '${path}'`, () => insert(target, last, moved));
      break;
    }
    case 'copy': {
      const from = pointerIn(operation, 'from', 'copy operation failed to decode from');
      const [source, key] = document.find(from, `copy operation does not apply: doc is missing from path: ${from}`, false);
      // A copy of its own: later operations may change either place.
      const copied = deepCopy(at(`error in copy for from: '${from}'`, () => get(source, key)));
      const path = pointerIn(operation, 'path', 'copy operation failed to decode path', true);
      checkNesting(path, copied);
      const [target, last] = document.find(path, `copy operation does not apply: doc is missing destination path: ${path}`);
      at('error while adding value during copy', () => insert(target, last, copied));
      break;
    }
    case 'test': {
      const path = pointerIn(operation, 'path', 'test operation failed to decode path');
      if (!deepEqual(found(document, path), value)) throw new PatchError(`testing value ${path} failed: test failed`, 'Invalid', true);
      break;
    }
    default:
      throw new PatchError(`Unexpected kind: ${typeof op === 'string' ? op : 'unknown'}`);
  }
}

function replace(document: PatchedDocument, operation: Operation, value: unknown): void {
  const path = pointerIn(operation, 'path', 'replace operation failed to decode path');
  checkNesting(path, value);
  if (path === '') {
    // Upstream's words, with the error that it wraps and that is none.
    if (!isContainer(value)) throw new PatchError('replace operation value must be object or array: %!w(<nil>)');
    document.root = value;
    return;
  }
  const [container, last] = document.find(path, `replace operation does not apply: doc is missing path: ${path}`);
  try {
    put(container, last, value);
  } catch (error) {
    throw error instanceof PatchError ? new PatchError(`replace operation does not apply: doc is missing key: ${path}: ${missing}`) : error;
  }
}

function found(document: PatchedDocument, path: string): unknown {
  if (path === '') return document.root;
  const [container, last] = document.find(path, `test operation does not apply: is missing path: ${path}`, false);
  return at(`error in test for path: '${path}'`, () => get(container, last));
}

/**
 * Applies a JSON Patch to a document, which stays as it was.
 * @throws PatchError
 */
export function applyJsonPatch(document: unknown, patch: unknown): unknown {
  const patched = new PatchedDocument(document);
  for (const operation of parseOperations(patch)) applyOperation(patched, operation);
  return patched.root;
}
