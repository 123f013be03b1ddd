/** The types and values of `request` and `namespaceObject`, and values without a type. */
import type { Environment } from '@marcbachmann/cel-js';

type Fields = Readonly<Record<string, string>>;
type Json = Readonly<Record<string, unknown>>;

class GroupVersionKindValue {}
class GroupVersionResourceValue {}
class UserInfoValue {}
class RequestValue {}
class NamespaceMetaValue {}
class NamespaceSpecValue {}
class NamespaceStatusValue {}
class NamespaceValue {}

/** The variables of a policy, each evaluated when it is first read. */
export class VariablesValue {}

interface TypeRow {
  name: string;
  // A class that is nothing but its fields.
  ctor: new () => object;
  fields: Fields;
}

const gvk: TypeRow = {
  name: 'kubernetes.GroupVersionKind',
  ctor: GroupVersionKindValue,
  fields: { group: 'string', version: 'string', kind: 'string' },
};
const gvr: TypeRow = {
  name: 'kubernetes.GroupVersionResource',
  ctor: GroupVersionResourceValue,
  fields: { group: 'string', version: 'string', resource: 'string' },
};
const userInfo: TypeRow = {
  name: 'kubernetes.UserInfo',
  ctor: UserInfoValue,
  fields: { username: 'string', uid: 'string', groups: 'list<string>', extra: 'map<string, list<string>>' },
};
const request: TypeRow = {
  name: 'kubernetes.AdmissionRequest',
  ctor: RequestValue,
  fields: {
    kind: gvk.name,
    resource: gvr.name,
    subResource: 'string',
    requestKind: gvk.name,
    requestResource: gvr.name,
    requestSubResource: 'string',
    name: 'string',
    namespace: 'string',
    operation: 'string',
    userInfo: userInfo.name,
    dryRun: 'bool',
    options: 'dyn',
  },
};
const namespaceMeta: TypeRow = {
  name: 'kubernetes.NamespaceMetadata',
  ctor: NamespaceMetaValue,
  fields: {
    name: 'string',
    generateName: 'string',
    namespace: 'string',
    labels: 'map<string, string>',
    annotations: 'map<string, string>',
    UID: 'string',
    creationTimestamp: 'google.protobuf.Timestamp',
    deletionGracePeriodSeconds: 'int',
    deletionTimestamp: 'google.protobuf.Timestamp',
    generation: 'int',
    resourceVersion: 'string',
    finalizers: 'list<string>',
  },
};
const namespaceSpec: TypeRow = { name: 'kubernetes.NamespaceSpec', ctor: NamespaceSpecValue, fields: { finalizers: 'list<string>' } };
const namespaceStatus: TypeRow = { name: 'kubernetes.NamespaceStatus', ctor: NamespaceStatusValue, fields: { phase: 'string' } };
const namespaceRow: TypeRow = {
  name: 'kubernetes.Namespace',
  ctor: NamespaceValue,
  fields: { metadata: namespaceMeta.name, spec: namespaceSpec.name, status: namespaceStatus.name },
};

const rows = [gvk, gvr, userInfo, request, namespaceMeta, namespaceSpec, namespaceStatus, namespaceRow];
const rowOf = new Map(rows.map((row) => [row.name, row]));

export function declareRequest(environment: Environment): void {
  for (const { name, ctor, fields } of rows) environment.registerType(name, { ctor, fields: { ...fields } });
  environment
    .registerVariable('request', request.name)
    .registerVariable('namespaceObject', namespaceRow.name)
    .registerOperator(`${namespaceRow.name} == null`, (namespace: unknown) => namespace === null);
}

/** A JSON value as one whose type is found out at run time: whole numbers are integers, objects are maps. */
export function dynamicValue(value: unknown): unknown {
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(dynamicValue);
  if (typeof value === 'object' && value !== null) return new Map(Object.entries(value).map(([key, item]) => [key, dynamicValue(item)]));
  return value ?? null;
}

function typedValue(type: string, value: unknown): unknown {
  if (type === 'google.protobuf.Timestamp') return new Date(String(value));
  const row = rowOf.get(type);
  if (!row) return dynamicValue(value);
  // Rows stand for objects, which the server itself has made.
  return instance(row, value as Json);
}

function instance({ ctor: Type, fields }: TypeRow, value: Json): object {
  const out = new Type() as Record<string, unknown>; // open to its own fields
  for (const [field, type] of Object.entries(fields)) if (value[field] !== undefined) out[field] = typedValue(type, value[field]);
  return out;
}

/** The value of `request`, from an AdmissionReview's request. */
export const requestValue = (review: object): object => instance(request, { ...review });

/** The value of `namespaceObject`: null for what is in no namespace. */
export const namespaceValue = (namespace: object | undefined): object | null =>
  namespace === undefined ? null : instance(namespaceRow, { ...namespace });
