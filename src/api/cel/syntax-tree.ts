/** The library's checked syntax tree, which its types don't describe. */

export interface CelType {
  /** `primitive`, `list`, `map`, `message`, `optional`, `dyn`, `param`. */
  readonly kind: string;
  readonly name: string;
  readonly keyType?: CelType;
  readonly valueType?: CelType;
}

/** A loop, as the one-variable macros are written out. */
export interface Comprehension {
  readonly iterable: CelNode;
  readonly iterVarName: string;
  readonly init: CelNode;
  readonly step: CelNode;
  readonly kind?: string;
}

export interface CelNode {
  readonly op: string;
  readonly args: unknown;
  readonly pos: number;
  readonly start: number;
  readonly end: number;
  readonly input: string;
  readonly checkedType?: CelType;
  readonly meta: {
    /** What stands in this node's place: a macro written out, a constant. */
    readonly alternate?: CelNode;
    readonly macro?: object;
  };
}

/** What each kind of node holds. */
export interface Arguments {
  call: [name: string, args: CelNode[]];
  rcall: [name: string, receiver: CelNode, args: CelNode[]];
  access: [operand: CelNode, key: string];
  index: [operand: CelNode, key: CelNode];
}

// The library's nodes are told apart by `op`, which says what `args` is.
export const nodesIn = (node: CelNode): CelNode[] => node.args as CelNode[];
export const callIn = (node: CelNode): Arguments['call'] => node.args as Arguments['call'];
export const methodIn = (node: CelNode): Arguments['rcall'] => node.args as Arguments['rcall'];
export const accessIn = (node: CelNode): Arguments['access'] => node.args as Arguments['access'];
export const loopIn = (node: CelNode): Comprehension => node.args as Comprehension;

/** The namespace that a call is written in (`math.greatest(1)`): no value, but part of the function's name. */
export function namespaceOf(receiver: CelNode): string | undefined {
  return receiver.op === 'id' && receiver.meta.alternate && typeof receiver.args === 'string' ? receiver.args : undefined;
}

/** The names that macros of variables bind, by how many of their first arguments are names. */
export const boundNames = (args: readonly CelNode[], count: number): string[] => args.slice(0, count).map(({ args: name }) => String(name));
