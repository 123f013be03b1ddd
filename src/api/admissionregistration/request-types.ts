/** The types and values of `request` and `namespaceObject`. */
import { type Environment, StructValue, celTypes as t, typedRows, typeRow } from '../cel/index.ts';

const texts = t.listOf(t.stringType);
const labels = t.mapOf(t.stringType, t.stringType);

const gvk = typeRow('kubernetes.GroupVersionKind', { group: t.stringType, version: t.stringType, kind: t.stringType });
const gvr = typeRow('kubernetes.GroupVersionResource', { group: t.stringType, version: t.stringType, resource: t.stringType });
const userInfo = typeRow('kubernetes.UserInfo', {
  username: t.stringType,
  uid: t.stringType,
  groups: texts,
  extra: t.mapOf(t.stringType, texts),
});
const request = typeRow('kubernetes.AdmissionRequest', {
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
const namespaceMeta = typeRow('kubernetes.NamespaceMetadata', {
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
const namespaceSpec = typeRow('kubernetes.NamespaceSpec', { finalizers: texts });
const namespaceCondition = typeRow('kubernetes.NamespaceCondition', {
  status: t.stringType,
  type: t.stringType,
  lastTransitionTime: t.timestampType,
  message: t.stringType,
  reason: t.stringType,
});
const namespaceStatus = typeRow('kubernetes.NamespaceStatus', { conditions: t.listOf(namespaceCondition.type), phase: t.stringType });
const namespaceRow = typeRow('kubernetes.Namespace', {
  metadata: namespaceMeta.type,
  spec: namespaceSpec.type,
  status: namespaceStatus.type,
});

const rows = [gvk, gvr, userInfo, request, namespaceMeta, namespaceSpec, namespaceCondition, namespaceStatus, namespaceRow];
const typed = typedRows(rows);

export function declareRequest(environment: Environment): void {
  typed.declare(environment);
  environment.variable('request', request.type).variable('namespaceObject', namespaceRow.type);
}

/** The value of `request`, from an AdmissionReview's request. */
export const requestValue = (review: object): unknown => typed.instance(request, { ...review });

/** The value of `namespaceObject`: null for what is in no namespace. */
export const namespaceValue = (namespace: object | undefined): unknown =>
  namespace === undefined ? null : typed.instance(namespaceRow, { ...namespace });

/** The type of `variables`, whose fields are known to the compiler only. */
export const variablesType = t.structType('kubernetes.variables');

/** The variables of a policy, each evaluated when it is first read. */
export const variablesValue = (values: ReadonlyMap<string, () => unknown>): unknown => new StructValue(variablesType, values);
