/** `Object{...}` and `JSONPatch{...}`: what mutations are made of (k8s.io/apiserver/pkg/cel/mutation). */
import {
  CelError,
  type CelType,
  type Construct,
  Duration,
  type Environment,
  formatDuration,
  formatTimestamp,
  Optional,
  overload,
  StructValue,
  Timestamp,
  celTypes as t,
  Uint,
} from '../cel/index.ts';

/** A part of an apply configuration: `Object.spec.template` for what is at `spec.template`. */
export class ObjectValue extends StructValue {
  readonly path: string;
  readonly fields: ReadonlyMap<string, unknown>;
  constructor(path: string, fields: ReadonlyMap<string, unknown>) {
    super(t.structType(path), new Map([...fields].map(([name, value]) => [name, () => value])));
    this.path = path;
    this.fields = fields;
  }

  override get isZero(): boolean {
    return this.fields.size === 0;
  }
}

/** One operation of a JSON patch. */
export class JsonPatchValue extends StructValue {
  readonly fields: ReadonlyMap<string, unknown>;
  constructor(fields: ReadonlyMap<string, unknown>) {
    super(jsonPatchType, new Map([...fields].map(([name, value]) => [name, () => value])));
    this.fields = fields;
  }
}

const objectType = t.structType('Object');
const jsonPatchType = t.structType('JSONPatch');

/** What mutations evaluate to. */
export const mutationTypes = { ApplyConfiguration: objectType, JSONPatch: t.listOf(jsonPatchType) } as const;

const patchFields: ReadonlyMap<string, CelType> = new Map([
  ['op', t.stringType],
  ['path', t.stringType],
  ['from', t.stringType],
  ['value', t.dynType],
]);

/** Types below `Object` are what expressions name them; their fields take anything. */
const isObjectPath = (name: string) => name === 'Object' || name.startsWith('Object.');

export const constructMutation: Construct = (typeName, fields) => {
  if (isObjectPath(typeName)) return new ObjectValue(typeName, fields);
  if (typeName === jsonPatchType.name) return new JsonPatchValue(fields);
  throw new CelError(`type name '${typeName}' not found`);
};

export function declareMutation(environment: Environment): void {
  environment
    .structs((name) => (isObjectPath(name) ? () => t.dynType : undefined))
    .struct(jsonPatchType.name, (field) => patchFields.get(field))
    .function(
      'jsonpatch.escapeKey',
      overload([t.stringType], t.stringType, (key: string) => key.replaceAll('~', '~0').replaceAll('/', '~1')),
    );
}

/** A value of CEL as JSON. */
export function jsonOf(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Uint) return Number(value.value);
  if (value instanceof StructValue) return Object.fromEntries(value.names.map((name) => [name, jsonOf(value.get(name))]));
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [String(key), jsonOf(item)]));
  if (Array.isArray(value)) return value.map(jsonOf);
  if (value instanceof Timestamp) return formatTimestamp(value);
  if (value instanceof Duration) return formatDuration(value);
  if (value instanceof Optional) return value.hasValue ? jsonOf(value.value) : null;
  if (value instanceof Uint8Array) return btoa(String.fromCharCode(...value));
  return value;
}
