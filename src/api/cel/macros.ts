/**
 * Macros, written out as what they stand for: presence tests, loops over lists and maps with one variable or two, computations on
 * optionals (google/cel-go/parser/macro.go, ext/comprehensions.go, cel/library.go, ext/lists.go).
 */
import { type CelNode, NodesAt, nodesOf } from './expression-tree.ts';

/** What is wrong with a macro's arguments, at one of them. */
export class MacroError extends Error {
  override readonly name = 'MacroError';
  readonly node: CelNode;

  constructor(node: CelNode, message: string) {
    super(message);
    this.node = node;
  }
}

/** No name that an expression can say. */
export const accumulator = '@result';
export const mapInsert = 'cel.@mapInsert';
export const notStrictlyFalse = '@not_strictly_false';
export const sortByKeys = '@sortByAssociatedKeys';
const unused = '#unused';
const sortInput = '@__sortBy_input__';
const optionalTarget = '@target';

type Expand = (make: NodesAt, target: CelNode, args: readonly CelNode[]) => CelNode;

// A macro is looked up by how many arguments it takes.
function argument(args: readonly CelNode[], i: number): CelNode {
  const node = args[i];
  if (!node) throw new RangeError(`no argument ${i}`);
  return node;
}

function variableName(node: CelNode, otherwise: string): string {
  if (node.kind !== 'ident') throw new MacroError(node, otherwise);
  if (node.name === accumulator || node.name === '__result__')
    throw new MacroError(node, 'iteration variable overwrites accumulator variable');
  return node.name;
}

/** The variables of a loop. */
interface Variables {
  variable: string;
  variable2: string | undefined;
}

const simpleName = 'argument must be a simple name';

function oneVariable(args: readonly CelNode[], otherwise: string): Variables {
  return { variable: variableName(argument(args, 0), otherwise), variable2: undefined };
}

function twoVariables(args: readonly CelNode[]): Variables {
  const [first, second] = [argument(args, 0), argument(args, 1)];
  for (const node of [first, second]) if (node.kind !== 'ident') throw new MacroError(node, simpleName);
  if (first.kind === 'ident' && second.kind === 'ident' && first.name === second.name)
    throw new MacroError(second, `duplicate variable name: ${first.name}`);
  return { variable: variableName(first, simpleName), variable2: variableName(second, simpleName) };
}

function all(make: NodesAt, range: CelNode, variables: Variables, predicate: CelNode): CelNode {
  return make.comprehension({
    range,
    ...variables,
    accumulator,
    init: make.literal(true),
    condition: make.call(notStrictlyFalse, [make.ident(accumulator)]),
    step: make.call('_&&_', [make.ident(accumulator), predicate]),
    result: make.ident(accumulator),
  });
}

function exists(make: NodesAt, range: CelNode, variables: Variables, predicate: CelNode): CelNode {
  return make.comprehension({
    range,
    ...variables,
    accumulator,
    init: make.literal(false),
    condition: make.call(notStrictlyFalse, [make.call('!_', [make.ident(accumulator)])]),
    step: make.call('_||_', [make.ident(accumulator), predicate]),
    result: make.ident(accumulator),
  });
}

function existsOne(make: NodesAt, range: CelNode, variables: Variables, predicate: CelNode): CelNode {
  const added = make.call('_+_', [make.ident(accumulator), make.literal(1n)]);
  return make.comprehension({
    range,
    ...variables,
    accumulator,
    init: make.literal(0n),
    condition: make.literal(true),
    step: make.call('_?_:_', [predicate, added, make.ident(accumulator)]),
    result: make.call('_==_', [make.ident(accumulator), make.literal(1n)]),
  });
}

/** A loop that gathers: `step` where the predicate holds. */
function gather(make: NodesAt, range: CelNode, variables: Variables, init: CelNode, step: CelNode, predicate?: CelNode): CelNode {
  return make.comprehension({
    range,
    ...variables,
    accumulator,
    init,
    condition: make.literal(true),
    step: predicate ? make.call('_?_:_', [predicate, step, make.ident(accumulator)]) : step,
    result: make.ident(accumulator),
  });
}

function gatherList(make: NodesAt, range: CelNode, variables: Variables, item: CelNode, predicate?: CelNode): CelNode {
  const step = make.call('_+_', [make.ident(accumulator), make.list([{ value: item, isOptional: false }])]);
  return gather(make, range, variables, make.list([]), step, predicate);
}

function map(make: NodesAt, target: CelNode, args: readonly CelNode[]): CelNode {
  const variables = oneVariable(args, 'argument is not an identifier');
  const predicate = args.length === 3 ? argument(args, 1) : undefined;
  return gatherList(make, target, variables, argument(args, args.length - 1), predicate);
}

/** The predicate between variables and what is gathered, where there is one. */
const predicateOfFour = (args: readonly CelNode[]) => (args.length === 4 ? argument(args, 2) : undefined);

function transformMap(make: NodesAt, target: CelNode, args: readonly CelNode[]): CelNode {
  const variables = twoVariables(args);
  const step = make.call(mapInsert, [make.ident(accumulator), make.ident(variables.variable), argument(args, args.length - 1)]);
  return gather(make, target, variables, make.map([]), step, predicateOfFour(args));
}

function transformMapEntry(make: NodesAt, target: CelNode, args: readonly CelNode[]): CelNode {
  const variables = twoVariables(args);
  const step = make.call(mapInsert, [make.ident(accumulator), argument(args, args.length - 1)]);
  return gather(make, target, variables, make.map([]), step, predicateOfFour(args));
}

/** A name for a value, in what follows. */
function bind(make: NodesAt, name: string, init: CelNode, result: CelNode): CelNode {
  return make.comprehension({
    range: make.list([]),
    variable: unused,
    variable2: undefined,
    accumulator: name,
    init,
    condition: make.literal(false),
    step: make.ident(name),
    result,
  });
}

function sortBy(make: NodesAt, target: CelNode, args: readonly CelNode[]): CelNode {
  if (!['list', 'select', 'ident', 'comprehension', 'call'].includes(target.kind))
    throw new MacroError(target, 'sortBy can only be applied to a list, identifier, comprehension, call or select expression');
  const keys = map(make, make.ident(sortInput), args);
  return bind(make, sortInput, target, make.call(sortByKeys, [keys], make.ident(sortInput)));
}

const same = (value: CelNode): CelNode => value;

const hasLoop = (node: CelNode): boolean => [...nodesOf(node)].some(({ kind }) => kind === 'comprehension');

/** `t.optMap(v, e)`: `t.hasValue() ? optional.of(e) : optional.none()`, with `v` for what `t` holds. */
function onOptional(name: string, wrap: (value: CelNode, make: NodesAt) => CelNode): Expand {
  return (make, target, args) => {
    const variable = argument(args, 0);
    if (variable.kind !== 'ident') throw new MacroError(variable, `${name}() variable name must be a simple identifier`);
    // Upstream writes the target out twice, which a chain of such macros would multiply: those are evaluated once.
    const isBound = hasLoop(target);
    const held = isBound ? make.ident(optionalTarget) : target;
    const value = wrap(bind(make, variable.name, make.call('value', [], held), argument(args, 1)), make);
    const expanded = make.call('_?_:_', [make.call('hasValue', [], held), value, make.call('optional.none', [])]);
    return isBound ? bind(make, optionalTarget, target, expanded) : expanded;
  };
}

const twoVariableQuantifier =
  (quantifier: typeof all): Expand =>
  (make, target, args) =>
    quantifier(make, target, twoVariables(args), argument(args, 2));
const quantifierOf =
  (quantifier: typeof all): Expand =>
  (make, target, args) =>
    quantifier(make, target, oneVariable(args, simpleName), argument(args, 1));
const transformList: Expand = (make, target, args) =>
  gatherList(make, target, twoVariables(args), argument(args, args.length - 1), predicateOfFour(args));

/** By name and number of arguments. */
const macros: ReadonlyMap<string, Expand> = new Map<string, Expand>([
  ['all 2', quantifierOf(all)],
  ['exists 2', quantifierOf(exists)],
  ['exists_one 2', quantifierOf(existsOne)],
  ['existsOne 2', quantifierOf(existsOne)],
  ['map 2', map],
  ['map 3', map],
  [
    'filter 2',
    (make, target, args) => {
      const variables = oneVariable(args, 'argument is not an identifier');
      return gatherList(make, target, variables, argument(args, 0), argument(args, 1));
    },
  ],
  ['all 3', twoVariableQuantifier(all)],
  ['exists 3', twoVariableQuantifier(exists)],
  ['existsOne 3', twoVariableQuantifier(existsOne)],
  ['exists_one 3', twoVariableQuantifier(existsOne)],
  ['transformList 3', transformList],
  ['transformList 4', transformList],
  ['transformMap 3', transformMap],
  ['transformMap 4', transformMap],
  ['transformMapEntry 3', transformMapEntry],
  ['transformMapEntry 4', transformMapEntry],
  ['sortBy 2', sortBy],
  ['optMap 2', onOptional('optMap', (value, make) => make.call('optional.of', [value]))],
  ['optFlatMap 2', onOptional('optFlatMap', same)],
]);

export interface MacroOptions {
  /** `cel.bind(name, value, expression)`. Most of Kubernetes' expressions don't have it. */
  readonly bindings?: boolean;
}

/**
 * A method call as what it stands for, if it is a macro.
 * @throws MacroError
 */
export function expandMethod(at: number, name: string, target: CelNode, args: readonly CelNode[], options: MacroOptions) {
  const make = new NodesAt(at);
  if (options.bindings && name === 'bind' && args.length === 3 && target.kind === 'ident' && target.name === 'cel') {
    const variable = argument(args, 0);
    if (variable.kind !== 'ident') throw new MacroError(variable, 'cel.bind() variable names must be simple identifiers');
    return bind(make, variable.name, argument(args, 1), argument(args, 2));
  }
  return macros.get(`${name} ${args.length}`)?.(make, target, args);
}

/**
 * A call as what it stands for, if it is a macro.
 * @throws MacroError
 */
export function expandCall(at: number, name: string, args: readonly CelNode[]): CelNode | undefined {
  if (name !== 'has' || args.length !== 1) return undefined;
  const selected = argument(args, 0);
  if (selected.kind !== 'select') throw new MacroError(selected, 'invalid argument to has() macro');
  return new NodesAt(at).select(selected.operand, selected.field, true);
}
