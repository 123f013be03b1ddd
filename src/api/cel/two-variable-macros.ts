/**
 * Comprehensions over index and item, or key and value (google/cel-go/ext/comprehensions.go): `all`, `exists` and `existsOne` with
 * two variables, `transformList`, `transformMap`, `transformMapEntry`; and `optMap`, `optFlatMap` of optionals.
 */
import { type Environment, Optional } from '@marcbachmann/cel-js';

// What the library hands to macros, which its types don't describe.
interface Scope {
  forkWithVariable(name: string, type: unknown): Scope;
  reuse(parent: Scope): Scope;
  setIterValue(value: unknown, evaluator: Evaluator): Scope;
}
interface Node {
  op: string;
  args: unknown;
}
interface Evaluator {
  run(node: Node, scope: Scope): unknown;
}
interface Checker {
  check(node: Node, scope: Scope): CheckedType;
  getType(name: string): CheckedType;
}
interface CheckedType {
  name: string;
}
interface Call {
  args: Node[];
  receiver: Node;
}

function variable(node: Node | undefined): string {
  if (node?.op === 'id' && typeof node.args === 'string') return node.args;
  throw new Error('argument must be a simple name');
}

/** Pairs of index and item, or key and value. */
function entriesOf(value: unknown): [unknown, unknown][] {
  if (Array.isArray(value)) return value.map((item, i) => [BigInt(i), item]);
  if (value instanceof Map) return [...value];
  return Object.entries(value as object); // the overload's own receiver
}

interface Macro {
  /** How many arguments are names of variables. */
  variables: number;
  result: string;
  /** `each` evaluates an argument with the variables set. */
  evaluate(receiver: unknown, arity: number, each: (values: readonly unknown[], argument: number) => unknown): unknown;
}

function register(environment: Environment, receiver: string, name: string, arity: number, macro: Macro): void {
  const signature = `${receiver}.${name}(${Array.from({ length: arity }, () => 'ast').join(', ')}): ${macro.result}`;
  const expand = ({ args, receiver: on }: Call) => {
    const names = args.slice(0, macro.variables).map(variable);
    const scopes: Scope[] = [];
    return {
      args,
      async: false,
      typeCheck(checker: Checker, _: unknown, scope: Scope) {
        const dyn = checker.getType('dyn');
        checker.check(on, scope);
        scopes.length = 0;
        let inner = scope;
        for (const one of names) {
          inner = inner.forkWithVariable(one, dyn);
          scopes.push(inner);
        }
        for (const arg of args.slice(macro.variables)) checker.check(arg, inner);
        return checker.getType(macro.result);
      },
      evaluate(evaluator: Evaluator, _: unknown, scope: Scope) {
        return macro.evaluate(evaluator.run(on, scope), arity, (values, argument) => {
          let inner = scope;
          for (const [i, own] of scopes.entries()) inner = own.reuse(inner).setIterValue(values[i], evaluator);
          const node = args[argument];
          return node && evaluator.run(node, inner);
        });
      },
    };
  };
  environment.registerFunction(signature, expand as never); // a macro, told by its `ast` arguments
}

const quantifiers: Record<string, (found: number, all: number) => boolean> = {
  all: (found, all) => found === all,
  exists: (found) => found > 0,
  existsOne: (found) => found === 1,
  exists_one: (found) => found === 1,
};

export function registerTwoVariableMacros(environment: Environment): void {
  for (const receiver of ['list', 'map']) {
    for (const [name, holds] of Object.entries(quantifiers))
      register(environment, receiver, name, 3, {
        variables: 2,
        result: 'bool',
        evaluate(value, _, each) {
          const entries = entriesOf(value);
          return holds(entries.filter((entry) => each(entry, 2) === true).length, entries.length);
        },
      });
    for (const arity of [3, 4]) {
      const selected = (value: unknown, each: (values: readonly unknown[], argument: number) => unknown) =>
        entriesOf(value).filter((entry) => arity === 3 || each(entry, 2) === true);
      const last = arity - 1;
      register(environment, receiver, 'transformList', arity, {
        variables: 2,
        result: 'list<dyn>',
        evaluate: (value, _, each) => selected(value, each).map((entry) => each(entry, last)),
      });
      register(environment, receiver, 'transformMap', arity, {
        variables: 2,
        result: 'map<dyn, dyn>',
        evaluate: (value, _, each) => new Map(selected(value, each).map((entry) => [entry[0], each(entry, last)])),
      });
      register(environment, receiver, 'transformMapEntry', arity, {
        variables: 2,
        result: 'map<dyn, dyn>',
        evaluate(value, _, each) {
          const out = new Map<unknown, unknown>();
          for (const entry of selected(value, each))
            for (const [key, item] of entriesOf(each(entry, last))) {
              if (out.has(key)) throw new Error(`insert failed: key ${String(key)} already exists`);
              out.set(key, item);
            }
          return out;
        },
      });
    }
  }
  for (const [name, wrap] of [
    ['optMap', (value: unknown) => Optional.of(value)],
    ['optFlatMap', (value: unknown) => value],
  ] as const)
    register(environment, 'optional', name, 2, {
      variables: 1,
      result: 'optional<dyn>',
      evaluate: (value, _, each) => (value instanceof Optional && value.hasValue() ? wrap(each([value.value()], 1)) : Optional.none()),
    });
}
