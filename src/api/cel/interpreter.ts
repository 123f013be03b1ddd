/**
 * Runs checked expressions: each part becomes a function, which pays as upstream's does (google/cel-go/interpreter, whose program is
 * optimized as Kubernetes has it: lists, maps and conversions of constants are made once, for nothing).
 */
import type { Call, CelNode, Comprehension, ListNode, MapNode, Select, Struct } from './expression-tree.ts';
import { callOf, conversions, membership, searches } from './function-calls.ts';
import { accumulator, mapInsert, notStrictlyFalse } from './macros.ts';
import { BudgetError, CostError, spend, work } from './metering.ts';
import { constantPlan, goesOnStep, isFatal, logicStep, type Plan, type Run, requireBool, type Step } from './steps.ts';
import { compilePattern } from './string-functions.ts';
import { entriesOf, insert, insertAll, isPresent, select, selectOptional } from './value-access.ts';
import { CelError, mapKey, noSuchOverload, Optional } from './values.ts';

const listCost = 10;
const mapCost = 30;
const structCost = 40;

/** Makes an object of a type that expressions construct. */
export type Construct = (typeName: string, fields: ReadonlyMap<string, unknown>) => unknown;

class Planner {
  readonly #construct: Construct;
  readonly #scopes: Map<string, number>[] = [];
  /** Accumulators that a loop has for itself: they may be added to in place. */
  readonly #gathered = new Set<number>();
  slots = 0;

  constructor(construct: Construct) {
    this.#construct = construct;
  }

  #slotOf(name: string): number | undefined {
    return this.#scopes.findLast((scope) => scope.has(name))?.get(name);
  }

  plan(node: CelNode): Plan {
    switch (node.kind) {
      case 'literal':
        return constantPlan(node.value);
      case 'ident':
      case 'select':
        return this.#attribute(node, 1);
      case 'call':
        return this.#call(node);
      case 'list':
        return this.#list(node);
      case 'map':
        return this.#map(node);
      case 'struct':
        return { step: this.#struct(node) };
      case 'comprehension':
        return { step: this.#comprehension(node) };
    }
  }

  #step(node: CelNode): Step {
    return this.plan(node).step;
  }

  #variable(name: string, cost: number): Step {
    const slot = name.startsWith('.') ? undefined : this.#slotOf(name);
    if (slot !== undefined)
      return ({ slots }) => {
        spend(cost);
        return slots[slot];
      };
    const own = name.replace(/^\./, '');
    return ({ variables }) => {
      spend(cost);
      const value = variables[own];
      if (value === undefined) throw new CelError(`no such attribute(s): ${own}`);
      return value;
    };
  }

  /** What is found by following names and keys: upstream pays for each, and for where it begins. */
  #attribute(node: CelNode, baseCost: number): Plan {
    if (node.kind === 'ident') {
      if (node.constant !== undefined) return constantPlan(node.constant);
      return { step: this.#variable(node.name, baseCost) };
    }
    if (node.kind === 'select') return this.#select(node, baseCost);
    if (node.kind === 'call' && ['_[_]', '_[?_]', '_?._'].includes(node.name)) return { step: this.#index(node, baseCost) };
    if (node.kind === 'call' && node.name === '_?_:_') return this.plan(node);
    const step = this.#step(node);
    // Something computed, that names and keys are looked up in.
    return {
      step: (run) => {
        const value = step(run);
        spend(baseCost);
        return value;
      },
    };
  }

  #select(node: Select, baseCost: number): Plan {
    if (node.resolved) {
      const { name, constant } = node.resolved;
      return constant === undefined ? { step: this.#variable(`.${name}`, baseCost) } : constantPlan(constant);
    }
    const { field, isTest } = node;
    const operand = this.#attribute(node.operand, isTest ? 0 : baseCost).step;
    return {
      step: (run) => {
        const value = operand(run);
        spend(1);
        return isTest ? isPresent(value, field) : select(value, field);
      },
    };
  }

  #index(node: Call, baseCost: number): Step {
    const [operandNode, keyNode] = node.args;
    if (!operandNode || !keyNode) throw new RangeError('an index without a key');
    const operand = this.#attribute(operandNode, baseCost).step;
    const key = this.#branch(keyNode);
    const find = node.name === '_[_]' ? select : selectOptional;
    return (run) => {
      const value = operand(run);
      const at = key(run);
      spend(1);
      return find(value, at);
    };
  }

  #call(node: Call): Plan {
    switch (node.name) {
      case '_[_]':
      case '_[?_]':
      case '_?._':
        return this.#attribute(node, 1);
      case '_?_:_':
        return { step: this.#conditional(node) };
      case '_&&_':
        return { step: this.#logic(node, false) };
      case '_||_':
        return { step: this.#logic(node, true) };
      case notStrictlyFalse:
        return { step: this.#goesOn(node) };
      case 'or':
      case 'orValue':
        return { step: this.#alternative(node) ?? this.#function(node).step };
      case '_+_':
      case mapInsert:
        return { step: this.#gathering(node) ?? this.#function(node).step };
      default:
        return this.#function(node);
    }
  }

  #conditional({ args }: Call): Step {
    const [condition, yes, no] = args;
    if (!condition || !yes || !no) throw new RangeError('a conditional without branches');
    const decide = this.#step(condition);
    const [first, second] = [this.#branch(yes), this.#branch(no)];
    return (run) => (requireBool(decide(run)) ? first(run) : second(run));
  }

  /** What is reached without paying for where it begins. */
  #branch(node: CelNode): Step {
    return this.#isAttribute(node) ? this.#attribute(node, 0).step : this.#step(node);
  }

  /** What an optional holds, or else what is evaluated only then. */
  #alternative({ name, target, args, resolved }: Call): Step | undefined {
    const [otherwise] = args;
    if (!resolved?.isMember || !target || !otherwise) return undefined;
    const [first, second] = [this.#step(target), this.#step(otherwise)];
    return (run) => {
      const value = first(run);
      if (!(value instanceof Optional)) throw noSuchOverload();
      if (!value.hasValue) return second(run);
      return name === 'or' ? value : value.value;
    };
  }

  #isAttribute(node: CelNode): boolean {
    if (node.kind === 'ident') return true;
    if (node.kind === 'select') return !node.isTest;
    return node.kind === 'call' && ['_[_]', '_[?_]', '_?._', '_?_:_'].includes(node.name);
  }

  /** One operand that decides does so whatever becomes of the other. */
  #logic({ args }: Call, decisive: boolean): Step {
    const [left, right] = args.map((arg) => this.#step(arg));
    if (!left || !right) throw new RangeError('logic without operands');
    return logicStep(left, right, decisive);
  }

  /** Whether a loop has not found yet what it looks for; failures don't end it. */
  #goesOn({ args }: Call): Step {
    const [operand] = args.map((arg) => this.#step(arg));
    if (!operand) throw new RangeError('no operand');
    return goesOnStep(operand);
  }

  /** Adds to an accumulator in place, where it is a loop's own. */
  #gathering(node: Call): Step | undefined {
    const [into, added, value] = node.args;
    if (into?.kind !== 'ident' || !added) return undefined;
    const slot = this.#slotOf(into.name);
    if (slot === undefined || !this.#gathered.has(slot)) return undefined;
    if (node.name === mapInsert) return this.#inserting(slot, added, value);
    if (added.kind !== 'list') return undefined;
    const items = this.#list(added).step;
    return (run) => {
      spend(1);
      const list = run.slots[slot] as unknown[]; // a loop's own
      list.push(...(items(run) as unknown[]));
      spend(1);
      return list;
    };
  }

  #inserting(slot: number, keyNode: CelNode, valueNode: CelNode | undefined): Step {
    const key = this.#step(keyNode);
    const value = valueNode && this.#step(valueNode);
    return (run) => {
      spend(1);
      const map = run.slots[slot] as Map<unknown, unknown>; // a loop's own
      const given = key(run);
      if (value) insert(map, given, value(run));
      else if (given instanceof Map) insertAll(map, given);
      else throw noSuchOverload();
      spend(1);
      return map;
    };
  }

  #function(node: Call): Plan {
    const { resolved } = node;
    if (!resolved) throw new Error(`${node.name} has not been checked`);
    const plans = (resolved.isMember && node.target ? [node.target, ...node.args] : node.args).map((arg) => this.plan(arg));
    const call = callOf(resolved.name, resolved.overloads);
    const isConstant = plans.every(({ constant }) => constant);
    if (isConstant && plans.length === 1 && conversions.has(resolved.name))
      return constantPlan(call(plans.map(({ constant }) => constant?.value)));
    const pattern = plans[1]?.constant?.value;
    // What is no pattern is so before anything runs.
    if (searches.has(resolved.name) && typeof pattern === 'string') compilePattern(pattern);
    if (resolved.name === '@in' && resolved.overloads.length === 1) {
      const member = membership(plans);
      if (member) return { step: member };
    }
    const steps = plans.map(({ step }) => step);
    const [first, second] = steps;
    // Most calls have one argument or two.
    if (first && second && steps.length === 2) return { step: (run) => call([first(run), second(run)]) };
    if (first && steps.length === 1) return { step: (run) => call([first(run)]) };
    return { step: (run) => call(steps.map((step) => step(run))) };
  }

  #list({ items }: ListNode): Plan {
    const plans = items.map(({ value, isOptional }) => ({ ...this.plan(value), isOptional }));
    if (plans.every(({ constant, isOptional }) => constant && !isOptional))
      return constantPlan(plans.map(({ constant }) => constant?.value));
    return {
      step: (run) => {
        const list: unknown[] = [];
        for (const { step, isOptional } of plans) {
          const value = step(run);
          if (!isOptional) list.push(value);
          else if (!(value instanceof Optional))
            throw new CelError(`cannot initialize optional list element from non-optional value ${String(value)}`);
          else if (value.hasValue) list.push(value.value);
        }
        spend(listCost);
        return list;
      },
    };
  }

  #map({ entries }: MapNode): Plan {
    const plans = entries.map(({ key, value, isOptional }) => ({ key: this.plan(key), value: this.plan(value), isOptional }));
    const make = (run: Run): Map<unknown, unknown> => {
      const map = new Map<unknown, unknown>();
      for (const { key, value, isOptional } of plans) {
        const at = mapKey(key.step(run));
        const given = value.step(run);
        if (!isOptional) map.set(at, given);
        else if (!(given instanceof Optional))
          throw new CelError(`cannot initialize optional entry '${String(at)}' from non-optional value ${String(given)}`);
        else if (given.hasValue) map.set(at, given.value);
      }
      return map;
    };
    if (plans.every(({ key, value, isOptional }) => key.constant && value.constant && !isOptional))
      return constantPlan(make({ variables: {}, slots: [] }));
    return {
      step: (run) => {
        const map = make(run);
        spend(mapCost);
        return map;
      },
    };
  }

  #struct({ typeName, fields }: Struct): Step {
    const plans = fields.map(({ name, value, isOptional }) => ({ name, step: this.#step(value), isOptional }));
    return (run) => {
      const given = new Map<string, unknown>();
      for (const { name, step, isOptional } of plans) {
        const value = step(run);
        if (!isOptional) given.set(name, value);
        else if (value instanceof Optional && value.hasValue) given.set(name, value.value);
      }
      spend(structCost);
      return this.#construct(typeName.replace(/^\./, ''), given);
    };
  }

  /** A place for a variable that only `plan` sees. */
  #within<T>(names: readonly string[], plan: (slots: readonly number[]) => T): T {
    const slots = names.map(() => this.slots++);
    this.#scopes.push(new Map(names.map((name, i) => [name, slots[i] ?? 0])));
    const result = plan(slots);
    this.#scopes.pop();
    return result;
  }

  #comprehension(node: Comprehension): Step {
    const { range, variable, variable2, init, accumulator: accumulated } = node;
    const over = this.#step(range);
    const start = this.plan(init);
    return this.#within([accumulated], ([slot = 0]) => {
      if (accumulated !== accumulator) return this.#binding(slot, start.step, node);
      const isGathering = init.kind === 'list' || init.kind === 'map';
      if (isGathering) this.#gathered.add(slot);
      const names = variable2 === undefined ? [variable] : [variable, variable2];
      const [condition, step, first, second] = this.#within(names, ([one = 0, two]) => [
        this.#step(node.condition),
        this.#step(node.step),
        one,
        two,
      ]);
      const result = this.#step(node.result);
      const goesOnAnyway = node.condition.kind === 'literal';
      return (run) => {
        const value = over(run);
        const isList = Array.isArray(value);
        const entries = entriesOf(value);
        const { slots } = run;
        const initial = start.step(run);
        // Each loop gathers into a new one.
        slots[slot] = isGathering ? (init.kind === 'list' ? [] : new Map()) : initial;
        for (const [key, item] of entries) {
          work(1);
          slots[first] = second === undefined && isList ? item : key;
          if (second !== undefined) slots[second] = item;
          if (!goesOnAnyway && condition(run) !== true) break;
          try {
            slots[slot] = step(run);
          } catch (error) {
            if (isFatal(error) || goesOnAnyway) throw error;
            // What the loop has come to so far: another item may decide.
            slots[slot] = error;
          }
        }
        const outcome = result(run);
        if (outcome instanceof CelError) throw outcome;
        return outcome;
      };
    });
  }

  /** A name for a value, which is evaluated when it is first read. */
  #binding(slot: number, init: Step, node: Comprehension): Step {
    const result = this.#step(node.result);
    return (run) => {
      run.slots[slot] = init(run);
      return result(run);
    };
  }
}

/** A checked expression as a function of its variables. Evaluating throws CelError, CostError. */
export function planExpression(tree: CelNode, construct: Construct): (variables: Readonly<Record<string, unknown>>) => unknown {
  const planner = new Planner(construct);
  const { step } = planner.plan(tree);
  return (variables) => {
    try {
      return step({ variables, slots: new Array(planner.slots) });
    } catch (error) {
      if (error instanceof CelError || error instanceof CostError || error instanceof BudgetError) throw error;
      // Texts and lists that are longer than the machine can hold.
      if (error instanceof RangeError) throw new CostError();
      throw error;
    }
  };
}
