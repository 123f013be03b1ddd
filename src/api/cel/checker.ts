/** Finds out what every part of an expression is of, and what does not fit (google/cel-go/checker/checker.go). */
import { assign, mostGeneral, type Substitutions, substitute } from './assignability.ts';
import type { Environment, Overload, Variable } from './declarations.ts';
import {
  type Call,
  type CelNode,
  type Comprehension,
  type ListNode,
  type MapNode,
  nodesOf,
  type Select,
  type Struct,
} from './expression-tree.ts';
import type { SourceProblem } from './source.ts';
import {
  boolType,
  type CelType,
  dynType,
  errorType,
  formatType,
  intType,
  isDynOrError,
  isOptional,
  listOf,
  mapOf,
  optionalOfType,
  sameType,
  structType,
  typeParam,
  unwrapOptional,
} from './types.ts';
import { typeOf } from './values.ts';

/** Calls as messages show them: `(int, string)`, `string.(int)`. */
function formatCall(types: readonly CelType[], isMember: boolean): string {
  const names = types.map(formatType);
  return isMember ? `${names[0]}.(${names.slice(1).join(', ')})` : `(${names.join(', ')})`;
}

/** A chain of names: `a.b.c`. */
function qualifiedName(node: CelNode): string | undefined {
  if (node.kind === 'ident') return node.name;
  if (node.kind !== 'select' || node.isTest) return undefined;
  const prefix = qualifiedName(node.operand);
  return prefix === undefined ? undefined : `${prefix}.${node.field}`;
}

const withoutDot = (name: string) => name.replace(/^\./, '');

class Checker {
  readonly problems: SourceProblem[] = [];
  readonly #environment: Environment;
  readonly #types: Substitutions = new Map();
  readonly #locals: Map<string, CelType>[] = [];
  #variables = 0;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  #report({ at }: { at: number }, message: string): CelType {
    this.problems.push({ at, message });
    return errorType;
  }

  #undeclared(node: CelNode, name: string): CelType {
    return this.#report(node, `undeclared reference to '${name}' (in container '')`);
  }

  #freeType(): CelType {
    return typeParam(`_var${this.#variables++}`);
  }

  #known(type: CelType): CelType {
    return substitute(this.#types, type, false);
  }

  check(node: CelNode): CelType {
    const type = this.#typeOf(node);
    node.type = type;
    return type;
  }

  #typeOf(node: CelNode): CelType {
    switch (node.kind) {
      case 'literal':
        return typeOf(node.value);
      case 'ident': {
        const found = this.#find(node.name);
        if (!found) return this.#undeclared(node, node.name);
        node.constant = found.constant;
        return found.type;
      }
      case 'select':
        return this.#select(node);
      case 'call':
        return this.#call(node);
      case 'list':
        return this.#list(node);
      case 'map':
        return this.#map(node);
      case 'struct':
        return this.#struct(node);
      case 'comprehension':
        return this.#comprehension(node);
    }
  }

  #find(name: string): Variable | undefined {
    if (!name.startsWith('.')) {
      const scope = this.#locals.findLast((locals) => locals.has(name));
      const type = scope?.get(name);
      if (type) return { type };
    }
    return this.#environment.findVariable(withoutDot(name));
  }

  #select(node: Select): CelType {
    const name = qualifiedName(node);
    const found = name === undefined || this.#isLocal(name) ? undefined : this.#environment.findVariable(withoutDot(name));
    if (found && name !== undefined) {
      node.resolved = { name: withoutDot(name), constant: found.constant };
      return found.type;
    }
    const type = this.#field(node, node.operand, node.field, false);
    return node.isTest ? boolType : this.#known(type);
  }

  /** Whether a name begins with a variable of a loop. */
  #isLocal(name: string): boolean {
    const [first = ''] = name.split('.');
    return this.#locals.some((locals) => locals.has(first));
  }

  #field(node: CelNode, operand: CelNode, field: string, isOptionalSelection: boolean): CelType {
    const operandType = this.#known(this.check(operand));
    const target = unwrapOptional(operandType);
    let result: CelType = dynType;
    if (target.kind === 'map') result = target.params[1] ?? dynType;
    else if (target.kind === 'struct') {
      const name = this.#fieldName(target.name, field);
      if (node.kind === 'select') node.field = name;
      result = this.#fieldType(node, target.name, name);
    } else if (target.kind === 'param') assign(this.#types, [dynType], [target]);
    else if (!isDynOrError(target)) this.#report(node, `type '${formatType(target)}' does not support field selection`);
    return isOptionalSelection || isOptional(operandType) ? optionalOfType(result) : result;
  }

  /** A keyword is the name of the field that is declared in its place (`namespace`: `__namespace__`). */
  #fieldName(typeName: string, field: string): string {
    const fields = this.#environment.findStruct(typeName);
    const escaped = `__${field}__`;
    return fields && !fields(field) && fields(escaped) ? escaped : field;
  }

  #fieldType(node: { at: number }, typeName: string, field: string): CelType {
    const fields = this.#environment.findStruct(typeName);
    if (!fields) return this.#report(node, `unexpected failed resolution of '${typeName}'`);
    return fields(field) ?? this.#report(node, `undefined field '${field}'`);
  }

  #call(node: Call): CelType {
    const [first, second] = node.args;
    if (node.name === '_?._' && first && second?.kind === 'literal' && typeof second.value === 'string') {
      node.resolved = { name: node.name, isMember: false, overloads: this.#environment.findFunction(node.name) ?? [] };
      second.type = typeOf(second.value);
      return this.#known(this.#field(node, first, second.value, true));
    }
    for (const arg of node.args) this.check(arg);
    if (!node.target) {
      const name = withoutDot(node.name);
      const overloads = this.#environment.findFunction(name);
      return overloads ? this.#resolve(node, name, overloads, undefined) : this.#undeclared(node, node.name);
    }
    const prefix = qualifiedName(node.target);
    const qualified = prefix === undefined ? undefined : `${withoutDot(prefix)}.${node.name}`;
    const inNamespace = qualified === undefined ? undefined : this.#environment.findFunction(qualified);
    if (inNamespace && qualified !== undefined) return this.#resolve(node, qualified, inNamespace, undefined);
    this.check(node.target);
    const overloads = this.#environment.findFunction(node.name);
    return overloads ? this.#resolve(node, node.name, overloads, node.target) : this.#undeclared(node, node.name);
  }

  #logic(node: Call): CelType {
    const wrong = node.args.filter((arg) => {
      if (assign(this.#types, [arg.type ?? dynType], [boolType])) return false;
      this.#mismatch(arg, boolType, arg.type ?? dynType);
      return true;
    });
    return wrong.length > 0 ? errorType : boolType;
  }

  #resolve(node: Call, name: string, overloads: readonly Overload[], target: CelNode | undefined): CelType {
    const isMember = target !== undefined;
    if (name === '_&&_' || name === '_||_') {
      node.resolved = { name, isMember, overloads };
      return this.#logic(node);
    }
    const types = (target ? [target, ...node.args] : node.args).map(({ type }) => type ?? dynType);
    const fitting: Overload[] = [];
    let result: CelType | undefined;
    for (const overload of overloads) {
      if (overload.isMember !== isMember || overload.args.length !== types.length) continue;
      const fresh: Substitutions = new Map();
      const instance = (type: CelType): CelType => {
        if (type.kind === 'param') {
          const known = fresh.get(type.name) ?? this.#freeType();
          fresh.set(type.name, known);
          return known;
        }
        return type.params.length === 0 ? type : { ...type, params: type.params.map(instance) };
      };
      if (!assign(this.#types, types, overload.args.map(instance))) continue;
      fitting.push(overload);
      const own = this.#known(instance(overload.result));
      if (!result) result = own;
      else if (result.kind !== 'dyn' && !sameType(result, own)) result = dynType;
    }
    if (!result) {
      const shown = formatCall(
        types.map((type) => substitute(this.#types, type, true)),
        isMember,
      );
      return this.#report(node, `found no matching overload for '${name}' applied to '${shown}'`);
    }
    node.resolved = { name, isMember, overloads: fitting };
    return result;
  }

  #mismatch(node: { at: number }, expected: CelType, actual: CelType): CelType {
    return this.#report(node, `expected type '${formatType(expected)}' but found '${formatType(actual)}'`);
  }

  /** What an optional item, entry or field is of. */
  #optionalValue(node: CelNode, type: CelType): CelType {
    if (!isOptional(type) && !isDynOrError(type)) this.#mismatch(node, optionalOfType(type), type);
    return unwrapOptional(type);
  }

  #joined(before: CelType | undefined, type: CelType): CelType {
    if (!before) return type;
    // That items are of one type is checked later, and not of all lists.
    return assign(this.#types, [before], [type]) ? mostGeneral(before, type) : dynType;
  }

  #list({ items }: ListNode): CelType {
    let type: CelType | undefined;
    for (const { value, isOptional: optional } of items) {
      const own = this.check(value);
      type = this.#joined(type, optional ? this.#optionalValue(value, own) : own);
    }
    return listOf(type ?? this.#freeType());
  }

  #map({ entries }: MapNode): CelType {
    let keys: CelType | undefined;
    let values: CelType | undefined;
    for (const { key, value, isOptional: optional } of entries) {
      keys = this.#joined(keys, this.check(key));
      const own = this.check(value);
      values = this.#joined(values, optional ? this.#optionalValue(value, own) : own);
    }
    return mapOf(keys ?? this.#freeType(), values ?? this.#freeType());
  }

  #struct(node: Struct): CelType {
    const name = withoutDot(node.typeName);
    const isKnown = this.#environment.findStruct(name) !== undefined;
    if (!isKnown) {
      const found = this.#environment.findVariable(name);
      if (found?.type.kind !== 'type') return this.#undeclared(node, node.typeName);
      return this.#report(node, `'${name}' is not a message type`);
    }
    for (const field of node.fields) {
      const own = this.check(field.value);
      const type = field.isOptional ? this.#optionalValue(field.value, own) : own;
      const expected = this.#fieldType(field, name, field.name);
      if (!assign(this.#types, [expected], [type]))
        this.#report(
          field,
          `expected type of field '${field.name}' is '${formatType(expected)}' but provided type is '${formatType(type)}'`,
        );
    }
    return structType(name);
  }

  /** The types of a loop's variables. */
  #variableTypes(range: CelNode, type: CelType, isPair: boolean): [CelType, CelType] {
    const [first = dynType, second = dynType] = type.params;
    switch (type.kind) {
      case 'list':
        return isPair ? [intType, first] : [first, first];
      case 'map':
        return [first, second];
      case 'dyn':
      case 'error':
      case 'param':
        assign(this.#types, [dynType], [type]);
        return [dynType, dynType];
      default: {
        const message = `expression of type '${formatType(type)}' cannot be range of a comprehension (must be list, map, or dynamic)`;
        return [this.#report(range, message), errorType];
      }
    }
  }

  #assert(node: CelNode, expected: CelType): void {
    const actual = node.type ?? dynType;
    if (!assign(this.#types, [expected], [actual])) this.#mismatch(node, expected, actual);
  }

  #comprehension(node: Comprehension): CelType {
    const { range, variable, variable2, accumulator, init, condition, step, result } = node;
    this.check(range);
    const accumulated = this.check(init);
    const rangeType = this.#known(range.type ?? dynType);
    this.#locals.push(new Map([[accumulator, accumulated]]));
    const [first, second] = this.#variableTypes(range, rangeType, variable2 !== undefined);
    this.#locals.push(new Map([[variable, first], ...(variable2 === undefined ? [] : [[variable2, second] as const])]));
    this.check(condition);
    this.#assert(condition, boolType);
    this.check(step);
    this.#assert(step, accumulated);
    this.#locals.pop();
    const type = this.check(result);
    this.#locals.pop();
    return this.#known(type);
  }

  /** Says of every part what its type has turned out to be. */
  finish(root: CelNode): void {
    for (const node of nodesOf(root)) if (node.type) node.type = substitute(this.#types, node.type, true);
  }
}

/** Types the tree; answers what does not fit. */
export function checkTypes(tree: CelNode, environment: Environment): readonly SourceProblem[] {
  const checker = new Checker(environment);
  checker.check(tree);
  checker.finish(tree);
  return checker.problems;
}
