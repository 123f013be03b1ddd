/** What expressions may name: variables, constants, types with fields, functions (google/cel-go/checker/env.go). */
import { type CelType, typeOfType } from './types.ts';
import { TypeValue } from './values.ts';

export interface Overload {
  /** What costs are told by. */
  readonly id: string;
  /** A member's receiver comes first. */
  readonly args: readonly CelType[];
  readonly result: CelType;
  readonly isMember: boolean;
  /** Whether it looks at the types of its arguments itself. */
  readonly isUnguarded?: boolean;
  run(...args: unknown[]): unknown;
}

// The checker and the guards of calls hold implementations to the types that they are declared with.
type Implementation = (...args: never[]) => unknown;

interface OverloadOptions {
  readonly id?: string;
  readonly isUnguarded?: boolean;
}

function makeOverload(isMember: boolean) {
  return (args: readonly CelType[], result: CelType, run: Implementation, options: OverloadOptions = {}): Overload => ({
    id: '',
    ...options,
    args,
    result,
    isMember,
    run: run as Overload['run'],
  });
}

/** `f(a, b)` */
export const overload = makeOverload(false);
/** `a.f(b)` */
export const member = makeOverload(true);

export interface Variable {
  readonly type: CelType;
  /** Of a constant: a type. */
  readonly constant?: unknown;
}

/** A type's fields by name; undefined for what is none. */
export type FieldTypes = (name: string) => CelType | undefined;

export class Environment {
  readonly #parent: Environment | undefined;
  readonly #variables = new Map<string, Variable>();
  readonly #structs = new Map<string, FieldTypes>();
  readonly #functions = new Map<string, readonly Overload[]>();
  #resolve: ((name: string) => FieldTypes | undefined) | undefined;
  /** `cel.bind()` */
  readonly bindings: boolean;

  constructor(parent?: Environment, options: { bindings?: boolean } = {}) {
    this.#parent = parent;
    this.bindings = options.bindings ?? parent?.bindings ?? false;
  }

  /** One that knows all this one does, and more. */
  extend(options: { bindings?: boolean } = {}): Environment {
    return new Environment(this, options);
  }

  variable(name: string, type: CelType): this {
    this.#variables.set(name, { type });
    return this;
  }

  /** A type that expressions may name. */
  type(name: string, type: CelType): this {
    this.#variables.set(name, { type: typeOfType(type), constant: new TypeValue(type) });
    return this;
  }

  struct(name: string, fields: FieldTypes): this {
    this.#structs.set(name, fields);
    return this;
  }

  /** Types that are there as soon as they are named. */
  structs(resolve: (name: string) => FieldTypes | undefined): this {
    this.#resolve = resolve;
    return this;
  }

  /** Adds to the overloads of a function, qualified by its namespace (`sets.contains`). */
  function(name: string, ...overloads: readonly Overload[]): this {
    this.#functions.set(name, [...(this.findFunction(name) ?? []), ...overloads]);
    return this;
  }

  findVariable(name: string): Variable | undefined {
    return this.#variables.get(name) ?? this.#parent?.findVariable(name);
  }

  findStruct(name: string): FieldTypes | undefined {
    return this.#structs.get(name) ?? this.#resolve?.(name) ?? this.#parent?.findStruct(name);
  }

  findFunction(name: string): readonly Overload[] | undefined {
    return this.#functions.get(name) ?? this.#parent?.findFunction(name);
  }
}
