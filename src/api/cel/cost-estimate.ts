/**
 * What an expression costs at most, told from its text and the bounds of its variables, in upstream's units: a rule that could cost too
 * much is refused when it is written, not when it runs (google/cel-go/checker/cost.go).
 */
import { estimateCall, type Operand } from './call-estimates.ts';
import type { Call, CelNode, Comprehension, ListNode, MapNode, Select } from './expression-tree.ts';
import { accumulator } from './macros.ts';
import { nothing, product, range, type SizeRange, sum, union, unknownSize } from './size-range.ts';
import { type CelType, dynType, isOptional } from './types.ts';
import { characterCount } from './values.ts';

/** How large what a variable holds can be: declared by a schema. */
export interface Bounds {
  /** Characters, items or entries. */
  readonly maxElements: number;
  readonly items?: Bounds;
  readonly keys?: Bounds;
  readonly fields?: Pick<ReadonlyMap<string, Bounds>, 'get'>;
}

/** Where a value comes from: a place in what is declared, a place that is not declared there; nothing for what is computed. */
type Place = Bounds | 'undeclared' | undefined;

/** What is known of what a list or map holds. */
interface EntrySize {
  readonly isList: boolean;
  readonly key: SizeRange;
  readonly value: SizeRange;
}

interface Local {
  readonly place: Place;
  readonly size: SizeRange | undefined;
  readonly entries?: EntrySize | undefined;
}

const listCost = range(10);
const mapCost = range(30);
const structCost = range(40);
const step = range(1);
/** Of nothing yet. */
const least = range(Number.POSITIVE_INFINITY, 0);

const scalars = new Set(['bool', 'double', 'int', 'uint', 'duration', 'timestamp']);

function isScalar(type: CelType): boolean {
  return isOptional(type) ? isScalar(type.params[0] ?? dynType) : scalars.has(type.kind);
}

function literalSize(value: unknown): SizeRange {
  if (typeof value === 'string') return range(characterCount(value));
  return range(value instanceof Uint8Array ? value.length : 1);
}

/** What an expression's own text says of its size. */
function writtenSize(node: CelNode): SizeRange | undefined {
  if (node.kind === 'literal') return literalSize(node.value);
  if (node.kind === 'list') return range(node.items.length);
  return node.kind === 'map' ? range(node.entries.length) : undefined;
}

const unionOf = (a: EntrySize | undefined, b: EntrySize | undefined): EntrySize | undefined =>
  a && b ? { isList: a.isList, key: union(a.key, b.key), value: union(a.value, b.value) } : undefined;

class Estimator {
  readonly #root: Bounds | undefined;
  readonly #locals = new Map<string, Local[]>();
  readonly #places = new Map<CelNode, Place>();
  readonly #sizes = new Map<CelNode, SizeRange>();
  readonly #entries = new Map<CelNode, EntrySize>();

  constructor(root: Bounds | undefined) {
    this.#root = root;
  }

  #local(node: CelNode): Local | undefined {
    return node.kind === 'ident' ? this.#locals.get(node.name)?.at(-1) : undefined;
  }

  #placeOf(node: CelNode): Place {
    const local = this.#local(node);
    return local ? local.place : this.#places.get(node);
  }

  /** A place below another. What is below something computed counts as the whole, as upstream has it. */
  #below(place: Place, find: (bounds: Bounds) => Bounds | undefined): Place {
    if (place === undefined) return this.#root ?? 'undeclared';
    return place === 'undeclared' ? place : (find(place) ?? 'undeclared');
  }

  #sizeOf(node: CelNode): SizeRange | undefined {
    const known = this.#sizes.get(node) ?? writtenSize(node);
    if (known) return known;
    const place = this.#placeOf(node);
    if (typeof place === 'object') {
      const size = range(0, place.maxElements);
      this.#sizes.set(node, size);
      return size;
    }
    return isScalar(node.type ?? dynType) ? range(1) : this.#local(node)?.size;
  }

  #entriesOf(node: CelNode): EntrySize | undefined {
    return this.#entries.get(node) ?? this.#local(node)?.entries;
  }

  #within<T>(locals: readonly (readonly [string, Local])[], estimate: () => T): T {
    for (const [name, local] of locals) this.#locals.set(name, [...(this.#locals.get(name) ?? []), local]);
    const result = estimate();
    for (const [name] of locals) this.#locals.get(name)?.pop();
    return result;
  }

  cost(node: CelNode): SizeRange {
    switch (node.kind) {
      case 'literal':
        return nothing;
      case 'ident':
        if (!this.#local(node)) this.#places.set(node, this.#root ?? 'undeclared');
        return step;
      case 'select':
        return this.#select(node);
      case 'call':
        return this.#call(node);
      case 'list':
        return this.#list(node);
      case 'map':
        return this.#map(node);
      case 'struct':
        return sum(structCost, ...node.fields.map(({ value }) => this.cost(value)));
      case 'comprehension':
        return node.accumulator === accumulator ? this.#loop(node) : this.#bind(node);
    }
  }

  #select(node: Select): SizeRange {
    if (node.resolved) {
      // A qualified name is a name: google.protobuf.Duration.
      this.#places.set(node, this.#root ?? 'undeclared');
      return step;
    }
    const operand = this.cost(node.operand);
    if (node.isTest) return operand;
    this.#places.set(
      node,
      this.#below(this.#placeOf(node.operand), ({ fields }) => fields?.get(node.field)),
    );
    const costs = ['map', 'struct', 'param'].includes((node.operand.type ?? dynType).kind);
    return costs ? sum(operand, step) : operand;
  }

  #list(node: ListNode): SizeRange {
    const costs = node.items.map(({ value }) => this.cost(value));
    const sizes = node.items.map(({ value }) => this.#sizeOf(value) ?? unknownSize);
    this.#entries.set(node, { isList: true, key: step, value: sizes.length === 0 ? nothing : sizes.reduce(union, least) });
    return sum(listCost, ...costs);
  }

  #map(node: MapNode): SizeRange {
    const costs = node.entries.flatMap(({ key, value }) => [this.cost(key), this.cost(value)]);
    const sizes = (nodes: readonly CelNode[]) =>
      nodes.length === 0 ? nothing : nodes.map((each) => this.#sizeOf(each) ?? unknownSize).reduce(union, least);
    this.#entries.set(node, {
      isList: false,
      key: sizes(node.entries.map(({ key }) => key)),
      value: sizes(node.entries.map(({ value }) => value)),
    });
    return sum(mapCost, ...costs);
  }

  #operand(node: CelNode): Operand {
    const place = this.#placeOf(node);
    const items = this.#below(place, (bounds) => bounds.items);
    return {
      size: this.#sizeOf(node),
      type: node.type ?? dynType,
      itemSize: typeof items === 'object' && place !== undefined ? range(0, items.maxElements) : undefined,
      literal: node.kind === 'literal' ? node.value : undefined,
    };
  }

  #call(node: Call): SizeRange {
    const { args, resolved } = node;
    const [first, second, third] = args;
    const costs = args.map((arg) => this.cost(arg));
    const [left = nothing, right = nothing, last = nothing] = costs;
    if (!resolved) return nothing;
    switch (resolved.name) {
      case 'dyn':
        if (first) this.#copySizes(node, first);
        return sum(step, left);
      case '_&&_':
      case '_||_':
        return range(left.min, left.max + right.max);
      case '_?_:_':
        if (second && third) {
          this.#sizes.set(node, union(this.#sizeOf(second) ?? unknownSize, this.#sizeOf(third) ?? unknownSize));
          const entries = unionOf(this.#entriesOf(second), this.#entriesOf(third));
          if (entries) this.#entries.set(node, entries);
        }
        return sum(left, union(right, last));
    }
    const target = resolved.isMember ? node.target : undefined;
    const onTarget = target ? this.cost(target) : nothing;
    const operands = args.map((arg) => this.#operand(arg));
    const targetOperand = target && this.#operand(target);
    let call = least;
    let size: SizeRange | undefined;
    for (const overload of resolved.overloads) {
      const estimate = estimateCall(resolved.name, overload, targetOperand, operands);
      call = union(call, estimate.cost);
      if (estimate.size) size = size ? union(size, estimate.size) : estimate.size;
    }
    if (resolved.name === '_[_]' && first) size = this.#index(node, first) ?? size;
    if (resolved.name === '_+_' && first && second) {
      const entries = unionOf(this.#entriesOf(first), this.#entriesOf(second));
      if (entries) this.#entries.set(node, entries);
    }
    size ??= this.#sizeOf(node);
    if (size) this.#sizes.set(node, size);
    return sum(onTarget, call, ...costs);
  }

  /** Says where what is found comes from, and answers how large it is. */
  #index(node: Call, operand: CelNode): SizeRange | undefined {
    this.#places.set(
      node,
      this.#below(this.#placeOf(operand), ({ items }) => items),
    );
    return this.#entriesOf(operand)?.value;
  }

  #copySizes(to: CelNode, from: CelNode): void {
    const size = this.#sizeOf(from);
    if (size) this.#sizes.set(to, size);
    const entries = this.#entriesOf(from);
    if (entries) this.#entries.set(to, entries);
  }

  #asLocal(node: CelNode): Local {
    return { place: this.#placeOf(node), size: this.#sizeOf(node), entries: this.#entriesOf(node) };
  }

  /** The variables of a loop. */
  #loopVariables({ range: over, variable, variable2 }: Comprehension): (readonly [string, Local])[] {
    const entries = this.#entriesOf(over);
    const isList = entries ? entries.isList : (over.type ?? dynType).kind === 'list';
    const place = this.#placeOf(over);
    const keys: Local = {
      place: this.#below(place, (bounds) => (isList ? undefined : bounds.keys)),
      size: entries?.key,
    };
    const values: Local = { place: this.#below(place, ({ items }) => items), size: entries?.value };
    if (variable2 === undefined) return [[variable, isList ? values : keys]];
    return [
      [variable, keys],
      [variable2, values],
    ];
  }

  #loop(node: Comprehension): SizeRange {
    const { range: over, init, condition, step: turn, result } = node;
    const before = sum(this.cost(over), this.cost(init));
    const [each, after] = this.#within([[node.accumulator, this.#asLocal(init)]], () => {
      const inLoop = this.#within(this.#loopVariables(node), () => sum(this.cost(condition), this.cost(turn)));
      return [inLoop, this.cost(result)] as const;
    });
    const turns = this.#sizeOf(over) ?? unknownSize;
    if (init.kind === 'literal') {
      const size = this.#sizeOf(init);
      if (size) this.#sizes.set(node, size);
    } else {
      this.#sizes.set(node, turns);
      const entries = this.#entriesOf(turn);
      if (entries) this.#entries.set(node, entries);
    }
    return sum(before, after, product(turns, each));
  }

  #bind(node: Comprehension): SizeRange {
    const before = sum(this.cost(node.range), this.cost(node.init));
    return this.#within([[node.accumulator, this.#asLocal(node.init)]], () => {
      const after = this.cost(node.result);
      this.#copySizes(node, node.result);
      return sum(before, after);
    });
  }
}

/** The cost of a checked tree; `root` bounds `self` and `oldSelf`. */
export function estimateCost(tree: CelNode, root?: Bounds): SizeRange {
  return new Estimator(root).cost(tree);
}
