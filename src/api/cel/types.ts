/** The types of CEL, as checks see them (google/cel-go/common/types). */

export type TypeKind =
  | 'bool'
  | 'bytes'
  | 'double'
  | 'duration'
  | 'dyn'
  | 'error'
  | 'int'
  | 'list'
  | 'map'
  | 'null'
  | 'opaque'
  | 'param'
  | 'string'
  | 'struct'
  | 'timestamp'
  | 'type'
  | 'uint';

export interface CelType {
  readonly kind: TypeKind;
  /** As `type()` gives it. */
  readonly name: string;
  readonly params: readonly CelType[];
}

const make = (kind: TypeKind, name: string = kind, params: readonly CelType[] = []): CelType => ({ kind, name, params });

export const boolType = make('bool');
export const bytesType = make('bytes');
export const doubleType = make('double');
export const dynType = make('dyn');
/** Of what is wrong already: fits everything, so that it is said once. */
export const errorType = make('error', '*error*');
export const intType = make('int');
export const nullType = make('null', 'null_type');
export const stringType = make('string');
export const uintType = make('uint');
export const durationType = make('duration', 'google.protobuf.Duration');
export const timestampType = make('timestamp', 'google.protobuf.Timestamp');

export const listOf = (item: CelType): CelType => make('list', 'list', [item]);
export const mapOf = (key: CelType, value: CelType): CelType => make('map', 'map', [key, value]);
/** A type with fields, which the environment knows by its name. */
export const structType = (name: string): CelType => make('struct', name);
export const opaqueType = (name: string, ...params: readonly CelType[]): CelType => make('opaque', name, params);
export const optionalOfType = (value: CelType): CelType => opaqueType('optional_type', value);
/** The type of a type. */
export const typeOfType = (type?: CelType): CelType => make('type', 'type', type ? [type] : []);
/** A type that a call decides. */
export const typeParam = (name: string): CelType => make('param', name);

export const isDynOrError = ({ kind }: CelType): boolean => kind === 'dyn' || kind === 'error';
export const isOptional = ({ kind, name }: CelType): boolean => kind === 'opaque' && name === 'optional_type';

/** What an optional is of. */
export const unwrapOptional = (type: CelType): CelType => (isOptional(type) ? (type.params[0] ?? dynType) : type);

export function sameType(a: CelType, b: CelType): boolean {
  return (
    a === b ||
    (a.kind === b.kind &&
      a.name === b.name &&
      a.params.length === b.params.length &&
      a.params.every((param, i) => {
        const other = b.params[i];
        return other !== undefined && sameType(param, other);
      }))
  );
}

const shortNames: Partial<Record<TypeKind, string>> = { duration: 'duration', error: '!error!', null: 'null', timestamp: 'timestamp' };

/** A type as messages show it: `list(int)`, `map(string, dyn)`. */
export function formatType({ kind, name, params }: CelType): string {
  const short = shortNames[kind] ?? name;
  return params.length === 0 ? short : `${short}(${params.map(formatType).join(', ')})`;
}
