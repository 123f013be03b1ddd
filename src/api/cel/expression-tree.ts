/** An expression as a tree: macros are written out as the loops that they stand for (google/cel-spec, "Macros"). */
import type { Overload } from './declarations.ts';
import type { CelType } from './types.ts';

interface NodeBase {
  /** Where it stands in the source: UTF-16 units. */
  readonly at: number;
  /** Levels from here to the deepest leaf. */
  readonly depth: number;
  /** What the checker has found. */
  type?: CelType;
}

export interface Literal extends NodeBase {
  readonly kind: 'literal';
  readonly value: unknown;
}

export interface Ident extends NodeBase {
  readonly kind: 'ident';
  readonly name: string;
  /** The value of a constant: a type. */
  constant?: unknown;
}

export interface Select extends NodeBase {
  readonly kind: 'select';
  readonly operand: CelNode;
  /** The checker spells a keyword as the declared field is spelled: `__if__`. */
  field: string;
  /** `has(operand.field)`. */
  readonly isTest: boolean;
  /** The variable or constant that the whole, as a qualified name, is. */
  resolved?: { readonly name: string; readonly constant?: unknown };
}

export interface Call extends NodeBase {
  readonly kind: 'call';
  readonly name: string;
  readonly target: CelNode | undefined;
  readonly args: readonly CelNode[];
  /** What the checker has found: the name with the namespace that was written as a target, and the overloads that fit. */
  resolved?: { readonly name: string; readonly isMember: boolean; readonly overloads: readonly Overload[] };
}

export interface ListNode extends NodeBase {
  readonly kind: 'list';
  readonly items: readonly { readonly value: CelNode; readonly isOptional: boolean }[];
}

export interface MapNode extends NodeBase {
  readonly kind: 'map';
  readonly entries: readonly { readonly key: CelNode; readonly value: CelNode; readonly isOptional: boolean }[];
}

export interface Struct extends NodeBase {
  readonly kind: 'struct';
  readonly typeName: string;
  readonly fields: readonly { readonly name: string; readonly value: CelNode; readonly isOptional: boolean; readonly at: number }[];
}

export interface Comprehension extends NodeBase {
  readonly kind: 'comprehension';
  readonly range: CelNode;
  /** The item of a list or key of a map; of two variables the index or key. */
  readonly variable: string;
  /** The item or value. */
  readonly variable2: string | undefined;
  readonly accumulator: string;
  readonly init: CelNode;
  /** Whether to go on. */
  readonly condition: CelNode;
  readonly step: CelNode;
  readonly result: CelNode;
}

export type CelNode = Literal | Ident | Select | Call | ListNode | MapNode | Struct | Comprehension;

/** What a node holds, directly. */
export function childrenOf(node: CelNode): readonly CelNode[] {
  switch (node.kind) {
    case 'literal':
    case 'ident':
      return [];
    case 'select':
      return [node.operand];
    case 'call':
      return node.target ? [node.target, ...node.args] : node.args;
    case 'list':
      return node.items.map(({ value }) => value);
    case 'map':
      return node.entries.flatMap(({ key, value }) => [key, value]);
    case 'struct':
      return node.fields.map(({ value }) => value);
    case 'comprehension':
      return [node.range, node.init, node.condition, node.step, node.result];
  }
}

/** A node and all below it. */
export function* nodesOf(root: CelNode): Generator<CelNode> {
  const open = [root];
  for (let node = open.pop(); node; node = open.pop()) {
    yield node;
    open.push(...childrenOf(node));
  }
}

const deepest = (nodes: readonly CelNode[]): number => nodes.reduce((depth, node) => Math.max(depth, node.depth), 0);

/** Makes nodes at one place. */
export class NodesAt {
  readonly #at: number;

  constructor(at: number) {
    this.#at = at;
  }

  literal(value: unknown): Literal {
    return { kind: 'literal', at: this.#at, depth: 1, value };
  }

  ident(name: string): Ident {
    return { kind: 'ident', at: this.#at, depth: 1, name };
  }

  select(operand: CelNode, field: string, isTest = false): Select {
    return { kind: 'select', at: this.#at, depth: operand.depth + 1, operand, field, isTest };
  }

  call(name: string, args: readonly CelNode[], target?: CelNode): Call {
    return { kind: 'call', at: this.#at, depth: deepest(target ? [target, ...args] : args) + 1, name, target, args };
  }

  list(items: ListNode['items']): ListNode {
    return { kind: 'list', at: this.#at, depth: deepest(items.map(({ value }) => value)) + 1, items };
  }

  map(entries: MapNode['entries']): MapNode {
    return { kind: 'map', at: this.#at, depth: deepest(entries.flatMap(({ key, value }) => [key, value])) + 1, entries };
  }

  struct(typeName: string, fields: Struct['fields']): Struct {
    return { kind: 'struct', at: this.#at, depth: deepest(fields.map(({ value }) => value)) + 1, typeName, fields };
  }

  comprehension(parts: Omit<Comprehension, 'kind' | 'at' | 'depth'>): Comprehension {
    const { range, init, condition, step, result } = parts;
    return { kind: 'comprehension', at: this.#at, depth: deepest([range, init, condition, step, result]) + 1, ...parts };
  }
}
