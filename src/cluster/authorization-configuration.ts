/** --authorization-config: an AuthorizationConfiguration of apiserver.config.k8s.io. */
import { statSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import {
  aggregateMessage,
  CompileError,
  compileAccessCondition,
  FieldErrors,
  FieldPath,
  fieldErrorMessage,
  formatGoDuration,
  isDns1123Subdomain,
  type JsonObject,
  readGoDuration,
} from '../api/index.ts';
import { type AuthorizationMode, type ConfiguredAuthorizer, openKubeconfigWebhook } from '../server/index.ts';
import { systemClock as clock, systemRandom as random } from '../time/index.ts';
import { ClusterError } from './cluster-error.ts';
import { type KnownFields, listOf, objectOf, parseConfiguration, textOf } from './configuration-document.ts';

const types: readonly string[] = ['ABAC', 'AlwaysAllow', 'AlwaysDeny', 'Node', 'RBAC', 'Webhook'];
const maxConditions = 64;

const fields: KnownFields = {
  '': ['kind', 'apiVersion', 'authorizers'],
  authorizers: ['type', 'name', 'webhook'],
  'authorizers.webhook': [
    'authorizedTTL',
    'cacheAuthorizedRequests',
    'unauthorizedTTL',
    'cacheUnauthorizedRequests',
    'timeout',
    'subjectAccessReviewVersion',
    'matchConditionSubjectAccessReviewVersion',
    'failurePolicy',
    'connectionInfo',
    'matchConditions',
  ],
  'authorizers.webhook.connectionInfo': ['type', 'kubeConfigFile'],
  'authorizers.webhook.matchConditions': ['expression'],
};

/** Milliseconds; nothing where it is 0 or absent, as upstream's defaults take it. */
function durationOf(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  const nanos = readGoDuration(String(value));
  if (typeof nanos === 'string') throw new ClusterError(nanos);
  return nanos === 0n ? undefined : Number(nanos) / 1e6;
}
const shown = (milliseconds: number): string => formatGoDuration(BigInt(Math.round(milliseconds * 1e6)));

type Webhook = Omit<Extract<ConfiguredAuthorizer, { type: 'Webhook' }>['webhook'], 'webhook'> & { kubeConfigFile: string };
type Authorizer = { type: Exclude<AuthorizationMode, 'Webhook'>; name: string } | { type: 'Webhook'; name: string; webhook: Webhook };

function conditionsOf(value: unknown, at: FieldPath, errors: FieldErrors): NonNullable<Webhook['conditions']> {
  const conditions = listOf(value);
  if (conditions.length > maxConditions) {
    errors.tooMany(at, conditions.length, maxConditions);
    return [];
  }
  const seen = new Set<string>();
  return conditions.flatMap(({ expression }, i) => {
    const source = textOf(expression);
    const below = at.index(i).child('expression');
    if (source.trim() === '') {
      errors.required(below);
      return [];
    }
    if (seen.has(source)) {
      errors.duplicate(below, source);
      return [];
    }
    seen.add(source);
    try {
      return [{ source, holds: compileAccessCondition(source) }];
    } catch (error) {
      if (!(error instanceof CompileError)) throw error;
      errors.invalid(below, source, error.message);
      return [];
    }
  });
}

function oneOf(errors: FieldErrors, at: FieldPath, value: string, allowed: readonly string[], detail = ''): void {
  if (value === '') errors.required(at, detail);
  else if (!allowed.includes(value)) errors.notSupported(at, value, allowed);
}

function validateConnection(connection: JsonObject, at: FieldPath, errors: FieldErrors): string {
  const type = textOf(connection.type);
  const file = textOf(connection.kubeConfigFile);
  const below = at.child('kubeConfigFile');
  oneOf(errors, at.child('type'), type, ['InClusterConfig', 'KubeConfigFile']);
  if (type === 'InClusterConfig' && connection.kubeConfigFile !== undefined)
    errors.invalid(below, file, 'can only be set when type=KubeConfigFile');
  // Of other servers: there is no cluster that the one at its heart could be in.
  if (type === 'InClusterConfig') errors.invalid(at.child('type'), type, 'this mode is not allowed for kube-apiserver');
  if (type !== 'KubeConfigFile') return '';
  if (file === '') errors.required(below);
  else if (!isAbsolute(file)) errors.invalid(below, file, 'must be an absolute path');
  else {
    const found = statSync(file, { throwIfNoEntry: false });
    if (!found) errors.invalid(below, file, `error loading file: stat ${file}: no such file or directory`);
    else if (!found.isFile()) errors.invalid(below, file, 'must be a regular file');
  }
  return file;
}

/** Its fields' errors are named as the authorizer's own, as upstream names them. */
function webhookOf(given: JsonObject, at: FieldPath, errors: FieldErrors): Webhook {
  const timeoutMs = durationOf(given.timeout);
  if (timeoutMs === undefined) errors.required(at.child('timeout'));
  else if (timeoutMs < 0 || timeoutMs > 30_000) errors.invalid(at.child('timeout'), shown(timeoutMs), 'must be > 0s and <= 30s');
  const allowedTtlMs = durationOf(given.authorizedTTL) ?? 300_000;
  if (allowedTtlMs < 0) errors.invalid(at.child('authorizedTTL'), shown(allowedTtlMs), 'must be > 0s');
  const deniedTtlMs = durationOf(given.unauthorizedTTL) ?? 30_000;
  if (deniedTtlMs < 0) errors.invalid(at.child('unauthorizedTTL'), shown(deniedTtlMs), 'must be > 0s');
  const version = textOf(given.subjectAccessReviewVersion);
  oneOf(errors, at.child('subjectAccessReviewVersion'), version, ['v1', 'v1beta1']);
  const conditionVersion = textOf(given.matchConditionSubjectAccessReviewVersion);
  if (conditionVersion !== '' || listOf(given.matchConditions).length > 0)
    oneOf(
      errors,
      at.child('matchConditionSubjectAccessReviewVersion'),
      conditionVersion,
      ['v1'],
      'required if match conditions are specified',
    );
  const failurePolicy = textOf(given.failurePolicy);
  oneOf(errors, at.child('failurePolicy'), failurePolicy, ['NoOpinion', 'Deny']);
  return {
    kubeConfigFile: validateConnection(objectOf(given.connectionInfo), at.child('connectionInfo'), errors),
    version: version === 'v1' ? 'v1' : 'v1beta1',
    allowedTtlMs: given.cacheAuthorizedRequests === false ? 0 : allowedTtlMs,
    deniedTtlMs: given.cacheUnauthorizedRequests === false ? 0 : deniedTtlMs,
    onFailure: failurePolicy === 'Deny' ? 'deny' : 'noOpinion',
    conditions: conditionsOf(given.matchConditions, at.child('matchConditions'), errors),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...{ clock, random },
  };
}

function authorizersOf(given: readonly JsonObject[], errors: FieldErrors): Authorizer[] {
  const root = new FieldPath('authorizers');
  if (given.length === 0) errors.required(root, 'at least one authorization mode must be defined');
  const seenTypes = new Set<string>();
  const seenNames = new Set<string>();
  return given.flatMap((authorizer, i): Authorizer[] => {
    const at = root.index(i);
    const type = textOf(authorizer.type);
    const name = textOf(authorizer.name);
    const wrong = errors.list.length;
    oneOf(errors, at.child('type'), type, types);
    if (seenTypes.has(type) && type !== 'Webhook') errors.duplicate(at.child('type'), type);
    if (errors.list.length > wrong) return [];
    seenTypes.add(type);
    const problems = isDns1123Subdomain(name);
    if (name === '') errors.required(at.child('name'));
    else if (seenNames.has(name)) errors.duplicate(at.child('name'), name);
    else if (problems.length > 0) errors.invalid(at.child('name'), name, `authorizer name is invalid: ${problems.join(', ')}`);
    seenNames.add(name);
    const hasWebhook = authorizer.webhook !== undefined && authorizer.webhook !== null;
    if (type !== 'Webhook') {
      if (hasWebhook) errors.invalid(at.child('webhook'), 'non-null', 'may only be specified when type=Webhook');
      // It has been seen to be one of the types.
      return [{ type: type as Exclude<AuthorizationMode, 'Webhook'>, name }];
    }
    if (!hasWebhook) {
      errors.required(at.child('webhook'), 'required when type=Webhook');
      return [];
    }
    return [{ type, name, webhook: webhookOf(objectOf(authorizer.webhook), at, errors) }];
  });
}

async function opened(authorizer: Authorizer): Promise<ConfiguredAuthorizer> {
  if (authorizer.type !== 'Webhook') return authorizer;
  const { kubeConfigFile, ...webhook } = authorizer.webhook;
  return { ...authorizer, webhook: { ...webhook, webhook: await openKubeconfigWebhook(kubeConfigFile) } };
}

/** `required`: the types that must be among them, since they were at the start. Throws ClusterError in upstream's words. */
export async function parseAuthorizationConfiguration(
  text: string,
  required: readonly AuthorizationMode[] = [],
): Promise<ConfiguredAuthorizer[]> {
  const failed = (why: string) => new ClusterError(`failed to load AuthorizationConfiguration from file: ${why}`);
  // A file that says nothing says that there are no authorizers.
  const document = text === '' ? {} : parseConfiguration(text, 'AuthorizationConfiguration', fields, failed);
  const errors = new FieldErrors();
  const authorizers = authorizersOf(listOf(document.authorizers), errors);
  if (!errors.ok) throw new ClusterError(aggregateMessage(errors.list.map(fieldErrorMessage)));
  const problems = authorizers.flatMap(({ type, name }) => {
    const expected = type.toLowerCase();
    return type === 'Webhook' || name === expected ? [] : [`expected name ${expected} for authorizer ${type} instead of ${name}`];
  });
  const missing = required.filter((type) => type !== 'Webhook' && !authorizers.some((authorizer) => authorizer.type === type));
  if (missing.length > 0) problems.push(`missing required types: [${missing.sort().join(' ')}]`);
  if (problems.length > 0) throw new ClusterError(aggregateMessage(problems));
  return Promise.all(authorizers.map(opened));
}
