/** Objects of the server's own making as CEL sees them: types with fields, each a row of a table. */
import type { Environment } from './declarations.ts';
import { parseTimestamp } from './times.ts';
import type { CelType } from './types.ts';
import * as t from './types.ts';
import { CelError, StructValue } from './values.ts';

export interface TypeRow {
  readonly type: CelType;
  readonly fields: ReadonlyMap<string, CelType>;
}

export const typeRow = (name: string, fields: Record<string, CelType>): TypeRow => ({
  type: t.structType(name),
  fields: new Map(Object.entries(fields)),
});

/** A JSON value as one whose type is found out at run time: whole numbers are integers, objects are maps. */
export function dynamicValue(value: unknown): unknown {
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(dynamicValue);
  if (typeof value === 'object' && value !== null) return new Map(Object.entries(value).map(([key, item]) => [key, dynamicValue(item)]));
  return value ?? null;
}

/** Rows that may name each other. */
export function typedRows(rows: readonly TypeRow[]) {
  const rowOf = new Map(rows.map((each) => [each.type.name, each]));
  const typedValue = (type: CelType, value: unknown): unknown => {
    if (type.kind === 'timestamp') {
      const time = parseTimestamp(String(value));
      if (!time) throw new CelError(`Invalid date-time formatted string ${String(value)}`);
      return time;
    }
    const [item] = type.params;
    if (type.kind === 'list' && item && Array.isArray(value)) return value.map((each) => typedValue(item, each));
    const struct = type.kind === 'struct' ? rowOf.get(type.name) : undefined;
    // Rows stand for objects, which the server itself has made.
    return struct ? instance(struct, value as Readonly<Record<string, unknown>>) : dynamicValue(value);
  };
  const instance = ({ type, fields }: TypeRow, value: Readonly<Record<string, unknown>>): StructValue => {
    const present = [...fields].filter(([field]) => value[field] !== undefined);
    return new StructValue(type, new Map(present.map(([field, own]) => [field, () => typedValue(own, value[field])])));
  };
  return {
    declare(environment: Environment): void {
      for (const { type, fields } of rows) environment.struct(type.name, (field) => fields.get(field));
    },
    /** An object of a row's type; it has the fields that the value has. */
    instance,
  };
}
