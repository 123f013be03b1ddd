/**
 * Types as a graph of nodes, ready to be walked by decoding, defaulting, patches, server-side apply, OpenAPI and protobuf. The
 * table makes them for built-in kinds; a CustomResourceDefinition's schema can make them for others.
 */
import type { WireType } from './parse.ts';

interface NodeBase {
  /** The type as Go prints it (`v1.Protocol`, `[]v1.Container`): for error messages. */
  readonly goType: string;
  /** The table's name of a named type, `core.v1.Protocol`; empty for composed ones. */
  readonly typeName: string;
}

export interface ScalarNode extends NodeBase {
  readonly kind: 'string' | 'bool' | 'float' | 'bytes' | 'time' | 'microTime' | 'duration' | 'quantity' | 'intOrString';
  /** The closed set of values, where there is one. */
  readonly enum?: readonly string[] | undefined;
}

export interface IntNode extends NodeBase {
  readonly kind: 'int';
  readonly min: number;
  readonly max: number;
}

/** Any JSON: RawExtension, FieldsV1, apiextensions' JSON. */
export interface RawNode extends NodeBase {
  readonly kind: 'raw';
}

export interface ListNode extends NodeBase {
  readonly kind: 'list';
  readonly item: TypeNode;
  /** How the list is merged where it is no field's but an item or a map's value; only schemas of custom resources say. */
  readonly listType?: 'atomic' | 'map' | 'set' | undefined;
  readonly listMapKeys?: readonly string[];
}

export interface MapNode extends NodeBase {
  readonly kind: 'map';
  readonly value: TypeNode;
  /** A change replaces the whole; for a map that is no field's, as in lists. */
  readonly atomic?: boolean;
}

export interface StructNode extends NodeBase {
  readonly kind: 'struct';
  /** A change replaces the whole (server-side apply). */
  readonly atomic: boolean;
  /** Takes fields that it does not declare (custom resources). */
  readonly open?: boolean;
  /** Fields as JSON has them, those of embedded structs in their place. */
  readonly fields: readonly Field[];
  readonly byName: ReadonlyMap<string, Field>;
  /** Fields as protobuf has them, by ascending number. */
  readonly wireFields: readonly WireField[];
}

/** apiextensions' either-or types: a schema, or a boolean, a list of schemas, a list of strings. */
export interface UnionNode extends NodeBase {
  readonly kind: 'union';
  readonly struct: StructNode;
  readonly other: 'bool' | 'list' | 'strings';
}

export type TypeNode = ScalarNode | IntNode | RawNode | ListNode | MapNode | StructNode | UnionNode;

export interface Field {
  readonly name: string;
  readonly node: TypeNode;
  /** Whether Go holds a pointer: a zero value is then different from none. */
  readonly pointer: boolean;
  readonly omitempty: boolean;
  /** Go's omitzero: an empty struct is left out too. */
  readonly omitzero: boolean;
  readonly optional: boolean;
  /** Whether clients are told that it must be there. */
  readonly required: boolean;
  readonly default: unknown;
  readonly patchStrategy: readonly string[];
  readonly patchMergeKey: string | undefined;
  readonly listType: 'atomic' | 'map' | 'set' | undefined;
  readonly listMapKeys: readonly string[];
  /** A map or struct that a change replaces whole. */
  readonly atomic: boolean;
  /** A struct whose type is atomic but which, in this place, is not. */
  readonly granular: boolean;
  /** The structs embedded in the one that has the field by which it comes to it, the outermost first. */
  readonly embedded?: readonly string[];
}

/** A field of the protobuf message; `flat`: the nested message's fields lie in the parent's JSON. */
export interface WireField {
  readonly number: number;
  readonly wire: WireType;
  readonly name: string;
  readonly node: TypeNode;
  readonly pointer: boolean;
  readonly flat: boolean;
}
