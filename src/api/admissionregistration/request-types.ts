/** The types and values of `request` and `namespaceObject`, and values without a type. */
import { CelError, type CelType, type Environment, parseTimestamp, StructValue, celTypes as t } from '../cel/index.ts';

type Json = Readonly<Record<string, unknown>>;

interface TypeRow {
  readonly type: CelType;
  readonly fields: ReadonlyMap<string, CelType>;
}

const row = (name: string, fields: Record<string, CelType>): TypeRow => ({
  type: t.structType(name),
  fields: new Map(Object.entries(fields)),
});
const texts = t.listOf(t.stringType);
const labels = t.mapOf(t.stringType, t.stringType);

const gvk = row('kubernetes.GroupVersionKind', { group: t.stringType, version: t.stringType, kind: t.stringType });
const gvr = row('kubernetes.GroupVersionResource', { group: t.stringType, version: t.stringType, resource: t.stringType });
const userInfo = row('kubernetes.UserInfo', {
  username: t.stringType,
  uid: t.stringType,
  groups: texts,
  extra: t.mapOf(t.stringType, texts),
});
const request = row('kubernetes.AdmissionRequest', {
  kind: gvk.type,
  resource: gvr.type,
  subResource: t.stringType,
  requestKind: gvk.type,
  requestResource: gvr.type,
  requestSubResource: t.stringType,
  name: t.stringType,
  namespace: t.stringType,
  operation: t.stringType,
  userInfo: userInfo.type,
  dryRun: t.boolType,
  options: t.dynType,
});
const namespaceMeta = row('kubernetes.NamespaceMetadata', {
  name: t.stringType,
  generateName: t.stringType,
  namespace: t.stringType,
  labels,
  annotations: labels,
  UID: t.stringType,
  creationTimestamp: t.timestampType,
  deletionGracePeriodSeconds: t.intType,
  deletionTimestamp: t.timestampType,
  generation: t.intType,
  resourceVersion: t.stringType,
  finalizers: texts,
});
const namespaceSpec = row('kubernetes.NamespaceSpec', { finalizers: texts });
const namespaceCondition = row('kubernetes.NamespaceCondition', {
  status: t.stringType,
  type: t.stringType,
  lastTransitionTime: t.timestampType,
  message: t.stringType,
  reason: t.stringType,
});
const namespaceStatus = row('kubernetes.NamespaceStatus', { conditions: t.listOf(namespaceCondition.type), phase: t.stringType });
const namespaceRow = row('kubernetes.Namespace', {
  metadata: namespaceMeta.type,
  spec: namespaceSpec.type,
  status: namespaceStatus.type,
});

const rows = [gvk, gvr, userInfo, request, namespaceMeta, namespaceSpec, namespaceCondition, namespaceStatus, namespaceRow];
const rowOf = new Map(rows.map((each) => [each.type.name, each]));

export function declareRequest(environment: Environment): void {
  for (const { type, fields } of rows) environment.struct(type.name, (field) => fields.get(field));
  environment.variable('request', request.type).variable('namespaceObject', namespaceRow.type);
}

/** A JSON value as one whose type is found out at run time: whole numbers are integers, objects are maps. */
export function dynamicValue(value: unknown): unknown {
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(dynamicValue);
  if (typeof value === 'object' && value !== null) return new Map(Object.entries(value).map(([key, item]) => [key, dynamicValue(item)]));
  return value ?? null;
}

function typedValue(type: CelType, value: unknown): unknown {
  if (type.kind === 'timestamp') {
    const time = parseTimestamp(String(value));
    if (!time) throw new CelError(`Invalid date-time formatted string ${String(value)}`);
    return time;
  }
  const [item] = type.params;
  if (type.kind === 'list' && item && Array.isArray(value)) return value.map((each) => typedValue(item, each));
  const struct = type.kind === 'struct' ? rowOf.get(type.name) : undefined;
  // Rows stand for objects, which the server itself has made.
  return struct ? instance(struct, value as Json) : dynamicValue(value);
}

function instance({ type, fields }: TypeRow, value: Json): StructValue {
  const present = [...fields].filter(([field]) => value[field] !== undefined);
  return new StructValue(type, new Map(present.map(([field, own]) => [field, () => typedValue(own, value[field])])));
}

/** The value of `request`, from an AdmissionReview's request. */
export const requestValue = (review: object): unknown => instance(request, { ...review });

/** The value of `namespaceObject`: null for what is in no namespace. */
export const namespaceValue = (namespace: object | undefined): unknown =>
  namespace === undefined ? null : instance(namespaceRow, { ...namespace });

/** The type of `variables`, whose fields are known to the compiler only. */
export const variablesType = t.structType('kubernetes.variables');

/** The variables of a policy, each evaluated when it is first read. */
export const variablesValue = (values: ReadonlyMap<string, () => unknown>): unknown => new StructValue(variablesType, values);
