/**
 * JSON Patch (RFC 6902). Own code rather than fast-json-patch or rfc6902: those mutate or deep-copy the whole document, and neither
 * gives upstream's error messages; here a patch copies only the containers on the paths that it touches.
 */
import { setKey } from '../decode.ts';
import { deepCopy, deepEqual } from '../equality.ts';
import { isTooDeep, nestingOf } from '../nesting.ts';

/** A patch that cannot be read (400) or cannot be applied (422); the message is upstream's. */
export class PatchError extends Error {
  override readonly name = 'PatchError';
  readonly reason: 'BadRequest' | 'Invalid' | 'RequestEntityTooLarge';

  constructor(message: string, reason: 'BadRequest' | 'Invalid' | 'RequestEntityTooLarge' = 'Invalid') {
    super(message);
    this.reason = reason;
  }
}

export interface JsonPatchOperation {
  op: 'add' | 'remove' | 'replace' | 'move' | 'copy' | 'test';
  path: string;
  from?: string;
  value?: unknown;
}

type Container = Record<string, unknown> | unknown[];

/** Upstream's limit on the operations of one patch. */
const maxOperations = 10_000;

const names = new Set(['add', 'remove', 'replace', 'move', 'copy', 'test']);

function parseOperations(patch: unknown): JsonPatchOperation[] {
  if (!Array.isArray(patch))
    throw new PatchError('error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch', 'BadRequest');
  if (patch.length > maxOperations)
    throw new PatchError(
      `Request entity too large: The allowed maximum operations in a JSON patch is ${maxOperations}, got ${patch.length}`,
      'RequestEntityTooLarge',
    );
  for (const operation of patch) {
    if (typeof operation !== 'object' || operation === null || Array.isArray(operation))
      throw new PatchError('error decoding patch: json: cannot unmarshal value into Go value of type jsonpatch.Operation', 'BadRequest');
  }
  // Each element has been seen to be an object; its members are checked as they are used.
  return patch as JsonPatchOperation[];
}

function parsePointer(pointer: unknown, op: string): string[] {
  if (pointer === '') return [];
  if (typeof pointer !== 'string' || !pointer.startsWith('/'))
    throw new PatchError(`${op} operation does not apply: doc is missing path: ${JSON.stringify(pointer)}: missing value`);
  return pointer
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
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

  /** The container that holds the last step of a path, private to this patch. */
  parent(steps: readonly string[], missing: () => never): Container {
    const container = (value: unknown): Container => (typeof value === 'object' && value !== null ? (value as Container) : missing());
    let current = this.#own(container(this.root));
    this.root = current;
    for (const step of steps.slice(0, -1)) {
      const next = this.#own(container(lookup(current, step)));
      if (Array.isArray(current)) current[indexIn(current, step, 0) ?? 0] = next;
      else setKey(current, step, next);
      current = next;
    }
    return current;
  }

  read(steps: readonly string[]): { value: unknown } | undefined {
    let current = this.root;
    for (const step of steps) {
      if (typeof current !== 'object' || current === null) return undefined;
      const container = current as Container;
      if (Array.isArray(container) ? indexIn(container, step, 0) === undefined : !Object.hasOwn(container, step)) return undefined;
      current = lookup(container, step);
    }
    return { value: current };
  }
}

/** A list index; negative ones count from the end, as upstream's library allows. `extra` is 1 where the place past the end is meant too. */
function indexIn(list: readonly unknown[], step: string, extra: 0 | 1): number | undefined {
  if (!/^-?(0|[1-9]\d{0,9})$/.test(step)) return undefined;
  const index = Number(step) < 0 ? Number(step) + list.length : Number(step);
  return index >= 0 && index < list.length + extra ? index : undefined;
}

function lookup(container: Container, step: string): unknown {
  if (Array.isArray(container)) return container[indexIn(container, step, 0) ?? -1];
  return Object.hasOwn(container, step) ? container[step] : undefined;
}

/** Values put into each other could grow deeper than any text that may be read. */
function checkNesting(steps: readonly string[], value: unknown): void {
  if (typeof value === 'object' && value !== null && isTooDeep(steps.length + nestingOf(value))) throw new PatchError('exceeded max depth');
}

function add(document: PatchedDocument, path: string, value: unknown, op: string): void {
  const steps = parsePointer(path, op);
  checkNesting(steps, value);
  const last = steps.at(-1);
  if (last === undefined) {
    document.root = value;
    return;
  }
  const parent = document.parent(steps, () => {
    throw new PatchError(`${op} operation does not apply: doc is missing path: ${JSON.stringify(path)}: missing value`);
  });
  if (!Array.isArray(parent)) {
    setKey(parent, last, value);
    return;
  }
  const index = last === '-' ? parent.length : indexIn(parent, last, 1);
  if (index === undefined) {
    const why = /^-?\d+$/.test(last)
      ? `Unable to access invalid index: ${last}: invalid index referenced`
      : `value was not a proper array index: '${last}'`;
    throw new PatchError(`${op} operation does not apply: error in add for path: '${path}': ${why}`);
  }
  parent.splice(index, 0, value);
}

function remove(document: PatchedDocument, path: string, op: string): void {
  const steps = parsePointer(path, op);
  const last = steps.at(-1);
  const failure = (what: string) => new PatchError(`${op} operation does not apply: ${what}`);
  if (last === undefined) throw failure(`Unable to remove nonexistent key: : missing value`);
  const parent = document.parent(steps, () => {
    throw failure(`unable to remove path: ${JSON.stringify(path)}: missing value`);
  });
  if (Array.isArray(parent)) {
    const index = indexIn(parent, last, 0);
    if (index === undefined)
      throw failure(`error in remove for path: '${path}': Unable to access invalid index: ${last}: invalid index referenced`);
    parent.splice(index, 1);
  } else {
    if (!Object.hasOwn(parent, last))
      throw failure(`error in remove for path: '${path}': unable to remove nonexistent key: ${last}: missing value`);
    delete parent[last];
  }
}

function replace(document: PatchedDocument, path: string, value: unknown): void {
  const steps = parsePointer(path, 'replace');
  checkNesting(steps, value);
  const last = steps.at(-1);
  if (last === undefined) {
    document.root = value;
    return;
  }
  if (!document.read(steps)) {
    const parentExists = document.read(steps.slice(0, -1));
    const why = parentExists ? `doc is missing key: ${path}: missing value` : `doc is missing path: ${path}: missing value`;
    throw new PatchError(`replace operation does not apply: ${why}`);
  }
  const parent = document.parent(steps, () => {
    throw new PatchError(`replace operation does not apply: doc is missing path: ${path}: missing value`);
  });
  if (Array.isArray(parent)) parent[indexIn(parent, last, 0) ?? 0] = value;
  else setKey(parent, last, value);
}

function source(document: PatchedDocument, operation: JsonPatchOperation): unknown {
  const found = document.read(parsePointer(operation.from, operation.op));
  if (!found) throw new PatchError(`${operation.op} operation does not apply: doc is missing from path: ${operation.from}: missing value`);
  return found.value;
}

function applyOperation(document: PatchedDocument, operation: JsonPatchOperation): void {
  const { op, path, value = null } = operation;
  switch (op) {
    case 'add':
      add(document, path, value, op);
      break;
    case 'remove':
      remove(document, path, op);
      break;
    case 'replace':
      replace(document, path, value);
      break;
    case 'copy':
      // A copy of its own: later operations may change either place.
      add(document, path, deepCopy(source(document, operation)), op);
      break;
    case 'move': {
      const moved = source(document, operation);
      if (path.startsWith(`${operation.from}/`))
        throw new PatchError(`move operation does not apply: cannot move ${operation.from} into itself`);
      remove(document, operation.from ?? '', op);
      add(document, path, moved, op);
      break;
    }
    case 'test': {
      const found = document.read(parsePointer(path, op));
      if (!found && value !== null) throw new PatchError(`testing path ${path} failed: test failed`);
      if (!deepEqual(found?.value ?? null, value)) throw new PatchError(`testing value ${path} failed: test failed`);
      break;
    }
    default:
      throw new PatchError(`Unexpected kind: ${String(op)}`);
  }
}

/**
 * Applies a JSON Patch to a document, which stays as it was.
 * @throws PatchError
 */
export function applyJsonPatch(document: unknown, patch: unknown): unknown {
  const patched = new PatchedDocument(document);
  for (const operation of parseOperations(patch)) {
    if (!names.has(operation.op)) throw new PatchError(`Unexpected kind: ${String(operation.op)}`);
    if (typeof operation.path !== 'string')
      throw new PatchError(`${operation.op} operation does not apply: doc is missing path: "": missing value`);
    applyOperation(patched, operation);
  }
  return patched.root;
}
