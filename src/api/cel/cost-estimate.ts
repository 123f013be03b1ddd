/**
 * What an expression costs at most, told from its text and the bounds of its variables, in upstream's units: a rule that could cost too
 * much is refused when it is written, not when it runs (google/cel-go/checker/cost.go).
 */
import { estimateCall, estimateOperator, type Operand } from './call-estimates.ts';
import { nothing, product, range, type SizeRange, sum, union, unknownSize } from './size-range.ts';
import { linearMatches } from './string-functions.ts';
import { accessIn, boundNames, type CelNode, type CelType, callIn, loopIn, methodIn, namespaceOf, nodesIn } from './syntax-tree.ts';

/** How large what a variable holds can be: declared by a schema. */
export interface Bounds {
  /** Characters, items or entries. */
  readonly maxElements: number;
  readonly items?: Bounds;
  readonly keys?: Bounds;
  readonly fields?: ReadonlyMap<string, Bounds>;
}

/** Where a value comes from: a place in what is declared, a place that is not declared there; nothing for what is computed. */
type Place = Bounds | 'undeclared' | undefined;

interface Estimate {
  readonly cost: SizeRange;
  readonly size: SizeRange | undefined;
  readonly place?: Place;
  /** Of the items of a list or the values of a map. */
  readonly entrySize?: SizeRange | undefined;
}

interface Local {
  readonly place: Place;
  readonly size: SizeRange | undefined;
  readonly entrySize?: SizeRange | undefined;
}

const listCost = range(10);
const mapCost = range(30);
const step = range(1);

const scalars = new Set(['bool', 'double', 'int', 'uint', 'google.protobuf.Duration', 'google.protobuf.Timestamp']);

function isScalar(type: CelType | undefined): boolean {
  if (type?.kind === 'optional') return isScalar(type.valueType);
  return type !== undefined && scalars.has(type.name);
}

function literalSize(value: unknown): SizeRange {
  if (typeof value === 'string') return range([...value].length);
  return range(value instanceof Uint8Array ? value.length : 1);
}

/** The macros that are written out with two variables, or one that an optional gives. */
interface VariableMacro {
  args: CelNode[];
}
interface BindMacro {
  var: string;
  val: CelNode;
  exp: CelNode;
}

const unionOf = (a: SizeRange | undefined, b: SizeRange | undefined) => (a && b ? union(a, b) : undefined);

class Estimator {
  readonly #root: Bounds | undefined;
  readonly #locals = new Map<string, Local[]>();

  constructor(root: Bounds | undefined) {
    this.#root = root;
  }

  /** The size of a value: what the schema says before what is told from the type. */
  #sizeAt(place: Place, type: CelType | undefined, otherwise?: SizeRange): SizeRange | undefined {
    if (typeof place === 'object') return range(0, place.maxElements);
    return isScalar(type) ? range(1) : otherwise;
  }

  #placed(cost: SizeRange, place: Place, node: CelNode): Estimate {
    return { cost, place, size: this.#sizeAt(place, node.checkedType) };
  }

  /** A place below another. What is below something computed counts as the whole, as upstream has it. */
  #below(place: Place, find: (bounds: Bounds) => Bounds | undefined): Place {
    if (place === undefined) return this.#root;
    return place === 'undeclared' ? place : (find(place) ?? 'undeclared');
  }

  #within(locals: Record<string, Local>, estimate: () => Estimate): Estimate {
    for (const [name, local] of Object.entries(locals)) this.#locals.set(name, [...(this.#locals.get(name) ?? []), local]);
    const result = estimate();
    for (const name of Object.keys(locals)) this.#locals.get(name)?.pop();
    return result;
  }

  estimate(node: CelNode): Estimate {
    const { alternate, macro } = node.meta;
    if (alternate && node.op !== 'id') return this.estimate(alternate);
    if (macro) return this.#macro(node, macro);
    switch (node.op) {
      case 'value':
        return { cost: nothing, size: literalSize(node.args) };
      case 'id':
        return this.#identifier(node);
      case '.':
        return this.#select(node);
      case '[]':
        return this.#index(node);
      case '.?':
      case '[?]':
        return this.#optionalAccess(node);
      case 'list':
        return this.#list(node);
      case 'map':
        return this.#map(node);
      case '?:':
        return this.#conditional(node);
      case '&&':
      case '||': {
        const [left, right] = nodesIn(node).map((operand) => this.estimate(operand).cost);
        return { cost: range(left?.min ?? 0, (left?.max ?? 0) + (right?.max ?? 0)), size: range(1) };
      }
      case '!_':
      case '-_':
        return this.#unary(node);
      case 'call':
      case 'rcall':
        return this.#call(node);
      case 'comprehension':
        return this.#comprehension(node);
      default:
        return this.#operator(node);
    }
  }

  #unary(node: CelNode): Estimate {
    // One operand, not a list of them.
    const operand = node.args as CelNode;
    // A negative number is a literal.
    if (node.op === '-_' && operand.op === 'value') return { cost: nothing, size: range(1) };
    return { cost: sum(step, this.estimate(operand).cost), size: this.#sizeAt(undefined, node.checkedType) };
  }

  #identifier(node: CelNode): Estimate {
    const local = this.#locals.get(String(node.args))?.at(-1);
    if (!local) return this.#placed(step, this.#root ?? 'undeclared', node);
    return { ...local, cost: step, size: this.#sizeAt(local.place, node.checkedType, local.size) };
  }

  #select(node: CelNode): Estimate {
    const [operandNode, name] = accessIn(node);
    const operand = this.estimate(operandNode);
    const kind = operandNode.checkedType?.kind;
    const costs = kind === 'map' || kind === 'message' || kind === 'param';
    const place = this.#below(operand.place, ({ fields }) => fields?.get(name));
    return this.#placed(costs ? sum(operand.cost, step) : operand.cost, place, node);
  }

  #index(node: CelNode): Estimate {
    const [operand, key] = nodesIn(node).map((each) => this.estimate(each));
    const cost = sum(step, operand?.cost ?? nothing, key?.cost ?? nothing);
    const indexed = this.#placed(
      cost,
      this.#below(operand?.place, ({ items }) => items),
      node,
    );
    return operand?.entrySize ? { ...indexed, size: operand.entrySize } : indexed;
  }

  #optionalAccess(node: CelNode): Estimate {
    const [operand, key] = nodesIn(node);
    const costs = [operand, ...(node.op === '[?]' ? [key] : [])].map((each) => (each ? this.estimate(each).cost : nothing));
    return { cost: sum(step, ...costs), size: this.#sizeAt(undefined, node.checkedType) };
  }

  #list(node: CelNode): Estimate {
    const items = nodesIn(node).map((item) => this.estimate(item));
    const entrySize = items.reduce(
      (all, { size }) => union(all, size ?? unknownSize),
      items.length === 0 ? nothing : range(Number.POSITIVE_INFINITY, 0),
    );
    return { cost: sum(listCost, ...items.map(({ cost }) => cost)), size: range(items.length), entrySize };
  }

  #map(node: CelNode): Estimate {
    // Pairs of keys and values.
    const entries = (node.args as [CelNode, CelNode][]).map(([key, value]) => [this.estimate(key), this.estimate(value)] as const);
    const entrySize = entries.reduce(
      (all, [, { size }]) => union(all, size ?? unknownSize),
      entries.length === 0 ? nothing : range(Number.POSITIVE_INFINITY, 0),
    );
    return { cost: sum(mapCost, ...entries.flatMap(([key, value]) => [key.cost, value.cost])), size: range(entries.length), entrySize };
  }

  #conditional(node: CelNode): Estimate {
    const [condition, yes, no] = nodesIn(node).map((each) => this.estimate(each));
    return {
      cost: sum(condition?.cost ?? nothing, union(yes?.cost ?? nothing, no?.cost ?? nothing)),
      size: union(yes?.size ?? unknownSize, no?.size ?? unknownSize),
      entrySize: unionOf(yes?.entrySize, no?.entrySize),
    };
  }

  #operand(node: CelNode, estimate: Estimate): Operand {
    const { place, size } = estimate;
    const items = typeof place === 'object' ? place.items : undefined;
    const literal = node.op === 'value' ? node.args : undefined;
    return { size, type: node.checkedType, itemSize: items && range(0, items.maxElements), literal };
  }

  #operator(node: CelNode): Estimate {
    const [left, right] = nodesIn(node);
    if (!left || !right) return { cost: nothing, size: undefined };
    const [a, b] = [this.estimate(left), this.estimate(right)];
    const call = estimateOperator(node.op, this.#operand(left, a), this.#operand(right, b));
    return {
      cost: sum(call.cost, a.cost, b.cost),
      size: call.size ?? this.#sizeAt(undefined, node.checkedType),
      ...(node.op === '+' ? { entrySize: unionOf(a.entrySize, b.entrySize) } : {}),
    };
  }

  #call(node: CelNode): Estimate {
    let target: CelNode | undefined;
    let [name, args]: [string, CelNode[]] = ['', []];
    if (node.op === 'call') [name, args] = callIn(node);
    else [name, target, args] = methodIn(node);
    const namespace = target && namespaceOf(target);
    if (namespace !== undefined) {
      name = `${namespace}.${name}`;
      target = undefined;
    }
    const estimates = args.map((arg) => this.estimate(arg));
    if (name === 'dyn' && !target && estimates[0]) {
      const { cost, size, entrySize } = estimates[0];
      return { cost: sum(step, cost), size, entrySize };
    }
    const on = target && this.estimate(target);
    const operands = args.map((arg, i) => this.#operand(arg, estimates[i] ?? { cost: nothing, size: undefined }));
    const call = estimateCall(name === linearMatches ? 'matches' : name, target && on && this.#operand(target, on), operands);
    return {
      cost: sum(on?.cost ?? nothing, call.cost, ...estimates.map(({ cost }) => cost)),
      size: call.size ?? this.#sizeAt(undefined, node.checkedType),
    };
  }

  /** The variable of a loop: the items of a list, the keys of a map. */
  #loopVariable(over: Estimate, type: CelType | undefined, isKey: boolean): Local {
    const isList = type?.kind === 'list';
    if (isKey && isList) return { place: over.place === undefined ? this.#root : 'undeclared', size: range(1) };
    const place = this.#below(over.place, (bounds) => (isKey ? bounds.keys : bounds.items));
    return { place, size: isKey ? undefined : over.entrySize };
  }

  /** `each` is what one turn adds to what its body costs, `last` what the result costs. */
  #loop(over: Estimate, variables: Record<string, Local>, init: SizeRange, each: SizeRange, last: number, body: () => Estimate): Estimate {
    const turn = this.#within(variables, body);
    const turns = over.size ?? unknownSize;
    return {
      cost: sum(over.cost, init, product(turns, sum(turn.cost, each)), range(last)),
      size: turns,
      entrySize: turn.entrySize,
    };
  }

  #comprehension(node: CelNode): Estimate {
    const { iterable, iterVarName, init, step: body, kind } = loopIn(node);
    const over = this.estimate(iterable);
    const type = iterable.checkedType;
    const variable = this.#loopVariable(over, type, type?.kind !== 'list');
    const scope = { [iterVarName]: variable };
    // Bodies are `predicate ? ... : ...`, an added item, or an added item behind a predicate.
    const [predicate] = body.op === '?:' ? nodesIn(body) : [];
    if (kind === 'quantifier' && predicate) return this.#quantifier(over, scope, init.args, () => this.estimate(predicate));
    const added = body.op === '?:' ? nodesIn(body)[1] : body;
    const item = added?.args as CelNode; // of `accuPush`
    return this.#collection(over, scope, listCost, () => this.estimate(item), 12, predicate && (() => this.estimate(predicate)));
  }

  #quantifier(over: Estimate, scope: Record<string, Local>, init: unknown, predicate: () => Estimate): Estimate {
    // Every turn asks whether to go on, and joins its finding to those before.
    const [each, last] = init === true ? [range(3), 1] : init === false ? [range(4), 1] : [range(1, 2), 2];
    return { ...this.#loop(over, scope, nothing, each, last, predicate), size: range(1), entrySize: undefined };
  }

  #collection(
    over: Estimate,
    scope: Record<string, Local>,
    init: SizeRange,
    item: () => Estimate,
    itemCost: number,
    predicate?: () => Estimate,
  ): Estimate {
    return this.#loop(over, scope, init, nothing, 1, () => {
      const given = item();
      const adding = sum(range(itemCost), given.cost);
      const cost = predicate ? sum(predicate().cost, union(adding, step)) : adding;
      return { cost, size: undefined, entrySize: union(nothing, given.size ?? unknownSize) };
    });
  }

  #macro(node: CelNode, macro: object): Estimate {
    if (node.op === 'call') return this.#presence(node);
    const [name, receiver] = methodIn(node);
    if (name === 'bind') return this.#bind(macro as BindMacro);
    const { args } = macro as VariableMacro;
    const over = this.estimate(receiver);
    if (name === 'optMap' || name === 'optFlatMap') return this.#optional(name, over, args);
    const [first = '', second = ''] = boundNames(args, 2);
    const type = receiver.checkedType;
    const scope = { [first]: this.#loopVariable(over, type, true), [second]: this.#loopVariable(over, type, false) };
    const at = (i: number) => () => {
      const arg = args[i];
      return arg ? this.estimate(arg) : { cost: nothing, size: undefined };
    };
    const filter = args.length === 4 ? at(2) : undefined;
    const last = at(args.length - 1);
    switch (name) {
      case 'transformList':
        return this.#collection(over, scope, listCost, last, 12, filter);
      case 'transformMap':
        return this.#collection(over, scope, mapCost, last, 3, filter);
      case 'transformMapEntry':
        return this.#collection(over, scope, mapCost, last, 2, filter);
      default:
        return this.#quantifier(over, scope, name === 'all' ? true : name === 'exists' ? false : 0, last);
    }
  }

  /** `has(a.b)` costs what `a` costs. */
  #presence(node: CelNode): Estimate {
    const [, [selected]] = callIn(node);
    const operand = selected?.op === '.' ? accessIn(selected)[0] : selected;
    // The checker looks at the innermost name only.
    const depth = (at: CelNode | undefined): number => (at?.op === '.' || at?.op === '.?' ? 1 + depth(accessIn(at)[0]) : 1);
    return { cost: range(depth(operand)), size: range(1) };
  }

  #bind({ var: name, val, exp }: BindMacro): Estimate {
    const value = this.estimate(val);
    const local = { place: value.place, size: value.size, entrySize: value.entrySize };
    const result = this.#within({ [name]: local }, () => this.estimate(exp));
    return { cost: sum(listCost, value.cost, result.cost), size: result.size, entrySize: result.entrySize };
  }

  /** `a.optMap(x, f)` is `a.hasValue() ? optional.of(f of a.value()) : optional.none()`. */
  #optional(name: string, over: Estimate, args: readonly CelNode[]): Estimate {
    const [variable = ''] = boundNames(args, 1);
    const body = args[1];
    const result = this.#within({ [variable]: { place: undefined, size: undefined } }, () =>
      body ? this.estimate(body) : { cost: nothing, size: undefined },
    );
    const wrapping = name === 'optMap' ? 1 : 0;
    const some = sum(listCost, over.cost, step, result.cost, range(wrapping));
    return { cost: sum(over.cost, step, union(some, step)), size: undefined };
  }
}

/** The cost of a checked tree; `root` bounds `self` and `oldSelf`. */
export function estimateCost(tree: CelNode, root?: Bounds): SizeRange {
  return new Estimator(root).estimate(tree).cost;
}
