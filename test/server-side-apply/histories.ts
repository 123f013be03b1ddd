/** Random histories of writes by several managers on an object of a random type: in the form of a custom resource's schema, and of upstream's merge library. */
import fc from 'fast-check';
import type { JSONSchemaProps } from '../../src/api/index.ts';

export type Type =
  | { is: 'string' | 'number' | 'boolean' | 'any' }
  | { is: 'struct'; fields: Record<string, Type>; atomic: boolean; defaults?: Record<string, unknown> }
  | { is: 'map'; value: Type; atomic: boolean }
  | { is: 'list'; item: Type; merged: 'atomic' | 'set' | 'map'; keys: readonly string[] };

export interface Operation {
  apply: boolean;
  force: boolean;
  manager: string;
  object: Record<string, unknown>;
}

export interface History {
  type: Type;
  operations: readonly Operation[];
}

const fieldNames = ['a', 'b', 'c'] as const;
const leaf: fc.Arbitrary<Type> = fc.constantFrom<Type>({ is: 'string' }, { is: 'number' }, { is: 'boolean' });

function typeOf(depth: number): fc.Arbitrary<Type> {
  if (depth === 0) return leaf;
  const below = typeOf(depth - 1);
  const fields = (of: fc.Arbitrary<Type>) => fc.dictionary(fc.constantFrom(...fieldNames), of, { minKeys: 1, noNullPrototype: true });
  const atomic = fc.integer({ min: 0, max: 4 }).map((n) => n === 0);
  return fc.oneof(
    leaf,
    fc.constant<Type>({ is: 'any' }),
    fc.record({ is: fc.constant('struct' as const), fields: fields(below), atomic }),
    fc.record({ is: fc.constant('map' as const), value: below, atomic }),
    below.map((item): Type => ({ is: 'list', item, merged: 'atomic', keys: [] })),
    fc.constantFrom<Type>({ is: 'string' }, { is: 'number' }).map((item): Type => ({ is: 'list', item, merged: 'set', keys: [] })),
    fc.record({ fields: fields(below), two: fc.boolean(), defaultKey: fc.boolean() }).map(({ fields, two, defaultKey }): Type => {
      const keys: Record<string, Type> = { k: { is: 'string' }, ...(two ? { n: { is: 'number' } } : {}) };
      // The last key may be left to its default.
      const defaults = defaultKey ? (two ? { n: 0 } : { k: 'x' }) : {};
      const item: Type = { is: 'struct', fields: { ...fields, ...keys }, atomic: false, defaults };
      return { is: 'list', item, merged: 'map', keys: Object.keys(keys) };
    }),
  );
}

const anyValue: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 2, withCrossShrink: true },
    fc.constantFrom('x', 'y', 1, true),
    fc.dictionary(fc.constantFrom(...fieldNames), tie('value'), { maxKeys: 3, noNullPrototype: true }),
    fc.array(tie('value'), { maxLength: 2 }),
  ),
})).value;

function valuesOf(type: Type): fc.Arbitrary<unknown> {
  switch (type.is) {
    case 'string':
      return fc.constantFrom('x', 'y', 'z');
    case 'number':
      return fc.integer({ min: 0, max: 3 });
    case 'boolean':
      return fc.boolean();
    case 'any':
      return anyValue;
    case 'struct':
      return fc.record(Object.fromEntries(Object.entries(type.fields).map(([name, field]) => [name, valuesOf(field)])), {
        requiredKeys: [],
        noNullPrototype: true,
      });
    case 'map':
      return fc.dictionary(fc.constantFrom('p', 'q', 'r'), valuesOf(type.value), { maxKeys: 3, noNullPrototype: true });
    default:
      return listOf(type);
  }
}

function listOf(type: Type & { is: 'list' }): fc.Arbitrary<unknown> {
  if (type.merged === 'atomic') return fc.array(valuesOf(type.item), { maxLength: 3 });
  if (type.merged === 'set') return fc.uniqueArray(valuesOf(type.item), { maxLength: 3 });
  const { fields, defaults = {} } = type.item as Type & { is: 'struct' }; // as typeOf makes them
  const item = fc.record(Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, valuesOf(field)])), {
    requiredKeys: type.keys.filter((key) => !(key in defaults)),
    noNullPrototype: true,
  }) as fc.Arbitrary<Record<string, unknown>>;
  return fc.uniqueArray(item, { maxLength: 3, selector: (object) => JSON.stringify(type.keys.map((key) => object[key] ?? defaults[key])) });
}

/** A field that every update sets, and no applied configuration: the object always has an owner. */
const marker = 'marker';

export const histories: fc.Arbitrary<History> = fc
  .dictionary(fc.constantFrom(...fieldNames), typeOf(3), { minKeys: 1, noNullPrototype: true })
  .chain((fields) => {
    const object = valuesOf({ is: 'struct', fields, atomic: false }) as fc.Arbitrary<Record<string, unknown>>; // a struct's values are objects
    const update = fc
      .record({ object, who: fc.constantFrom('u1', 'u2') })
      .map(({ object, who }): Operation => ({ apply: false, force: false, manager: who, object: { ...object, [marker]: true } }));
    const apply = fc
      .record({ object, who: fc.constantFrom('a1', 'a2', 'a3'), force: fc.boolean() })
      .map(({ object, who, force }): Operation => ({ apply: true, force, manager: who, object }));
    const rest = fc.array(fc.oneof(update, { weight: 3, arbitrary: apply }), { minLength: 1, maxLength: 7 });
    const type: Type = { is: 'struct', fields: { ...fields, [marker]: { is: 'boolean' } }, atomic: false };
    return fc.tuple(update, rest).map(([first, others]): History => ({ type, operations: [first, ...others] }));
  });

/** The type as a CustomResourceDefinition has it. */
export function jsonSchemaOf(type: Type): JSONSchemaProps {
  switch (type.is) {
    case 'any':
      return { 'x-kubernetes-preserve-unknown-fields': true };
    case 'struct':
      return {
        type: 'object',
        properties: Object.fromEntries(
          Object.entries(type.fields).map(([name, field]) => [name, { ...jsonSchemaOf(field), default: type.defaults?.[name] }]),
        ),
        ...(type.atomic ? { 'x-kubernetes-map-type': 'atomic' } : {}),
      };
    case 'map':
      return {
        type: 'object',
        additionalProperties: jsonSchemaOf(type.value),
        ...(type.atomic ? { 'x-kubernetes-map-type': 'atomic' } : {}),
      };
    case 'list':
      return {
        type: 'array',
        items: jsonSchemaOf(type.item),
        'x-kubernetes-list-type': type.merged,
        ...(type.merged === 'map' ? { 'x-kubernetes-list-map-keys': [...type.keys] } : {}),
      };
    default:
      return { type: type.is };
  }
}

const scalars = { string: 'string', number: 'numeric', boolean: 'boolean' } as const;

function mergeTypeOf(type: Type): object {
  const relationship = (atomic: boolean) => ({ elementRelationship: atomic ? 'atomic' : 'separable' });
  switch (type.is) {
    case 'any':
      return { namedType: 'any' };
    case 'struct':
      return {
        map: {
          fields: Object.entries(type.fields).map(([name, field]) => ({ name, type: mergeTypeOf(field), default: type.defaults?.[name] })),
          ...relationship(type.atomic),
        },
      };
    case 'map':
      return { map: { elementType: mergeTypeOf(type.value), ...relationship(type.atomic) } };
    case 'list':
      return {
        list: {
          elementType: mergeTypeOf(type.item),
          elementRelationship: type.merged === 'atomic' ? 'atomic' : 'associative',
          ...(type.merged === 'map' ? { keys: type.keys } : {}),
        },
      };
    default:
      return { scalar: scalars[type.is] };
  }
}

/** The type as upstream's merge library reads it; whatever is not known is deduced from the values. */
export function mergeSchemaOf(type: Type): object {
  const any = {
    name: 'any',
    scalar: 'untyped',
    list: { elementType: { namedType: 'untyped' }, elementRelationship: 'atomic' },
    map: { elementType: { namedType: 'any' }, elementRelationship: 'separable' },
  };
  const untyped = {
    name: 'untyped',
    scalar: 'untyped',
    list: { elementType: { namedType: 'untyped' }, elementRelationship: 'atomic' },
    map: { elementType: { namedType: 'untyped' }, elementRelationship: 'atomic' },
  };
  return { types: [{ name: 'root', ...mergeTypeOf(type) }, any, untyped] };
}
