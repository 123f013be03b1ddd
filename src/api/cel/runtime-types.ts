/** Whether a value may be given to a function (google/cel-go/common/decls). */
import type { CelType } from './types.ts';
import { Duration, OpaqueValue, Optional, StructValue, Timestamp, TypeValue, Uint } from './values.ts';

export function accepts(type: CelType, value: unknown): boolean {
  switch (type.kind) {
    case 'dyn':
    case 'error':
    case 'param':
      return true;
    case 'int':
      return typeof value === 'bigint';
    case 'uint':
      return value instanceof Uint;
    case 'double':
      return typeof value === 'number';
    case 'string':
      return typeof value === 'string';
    case 'bool':
      return typeof value === 'boolean';
    case 'null':
      return value === null;
    case 'bytes':
      return value instanceof Uint8Array;
    case 'list':
      return Array.isArray(value) && firstFits(type.params[0], value[0]);
    case 'map':
      return value instanceof Map;
    case 'duration':
      return value instanceof Duration;
    case 'timestamp':
      return value instanceof Timestamp;
    case 'type':
      return value instanceof TypeValue;
    case 'struct':
      return value instanceof StructValue && value.type.name === type.name;
    case 'opaque':
      if (type.name === 'optional_type') return value instanceof Optional;
      return value instanceof OpaqueValue && value.type.name === type.name;
  }
}

/** Lists are told by their first item. */
function firstFits(type: CelType | undefined, first: unknown): boolean {
  return type === undefined || first === undefined || accepts(type, first);
}
