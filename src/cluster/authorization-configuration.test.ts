import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseAuthorizationConfiguration } from './authorization-configuration.ts';
import { authorizationOptions } from './authorization-flags.ts';

let dir: string;
let kubeconfig: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'k8ts-authz-'));
  kubeconfig = join(dir, 'kubeconfig');
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'c',
      clusters: [{ name: 'k', cluster: { server: 'https://127.0.0.1:1/review' } }],
      contexts: [{ name: 'c', context: { cluster: 'k', user: '' } }],
    }),
  );
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const text = (authorizers: object[], parts: object = {}) =>
  JSON.stringify({ apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthorizationConfiguration', authorizers, ...parts });
const rbac = { type: 'RBAC', name: 'rbac' };
const webhook = (parts: object = {}, name = 'hook') => ({
  type: 'Webhook',
  name,
  webhook: {
    timeout: '3s',
    subjectAccessReviewVersion: 'v1',
    failurePolicy: 'Deny',
    connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: kubeconfig },
    ...parts,
  },
});

test('authorizers come in order, with upstream\u2019s defaults', async () => {
  const authorizers = await parseAuthorizationConfiguration(text([webhook(), { type: 'Node', name: 'node' }, rbac, webhook({}, 'other')]));
  expect(authorizers.map(({ type, name }) => [type, name])).toEqual([
    ['Webhook', 'hook'],
    ['Node', 'node'],
    ['RBAC', 'rbac'],
    ['Webhook', 'other'],
  ]);
  expect(authorizers[0]).toMatchObject({
    webhook: { version: 'v1', allowedTtlMs: 300_000, deniedTtlMs: 30_000, timeoutMs: 3000, onFailure: 'deny', conditions: [] },
  });
  const [own] = await parseAuthorizationConfiguration(
    text([webhook({ authorizedTTL: '1m', cacheUnauthorizedRequests: false, failurePolicy: 'NoOpinion' })]),
  );
  expect(own).toMatchObject({ webhook: { allowedTtlMs: 60_000, deniedTtlMs: 0, onFailure: 'noOpinion' } });
});

const conditions = (...expressions: string[]) => ({
  matchConditionSubjectAccessReviewVersion: 'v1',
  matchConditions: expressions.map((expression) => ({ expression })),
});

test.each<[() => object[], string]>([
  [() => [], 'authorizers: Required value: at least one authorization mode must be defined'],
  [() => [{ name: 'x' }], 'authorizers[0].type: Required value'],
  [
    () => [{ type: 'Magic', name: 'magic' }],
    'authorizers[0].type: Unsupported value: "Magic": supported values: "ABAC", "AlwaysAllow", "AlwaysDeny", "Node", "RBAC", "Webhook"',
  ],
  [() => [rbac, rbac], 'authorizers[1].type: Duplicate value: "RBAC"'],
  [() => [{ type: 'RBAC' }], 'authorizers[0].name: Required value'],
  [() => [webhook(), webhook()], 'authorizers[1].name: Duplicate value: "hook"'],
  [() => [webhook({}, 'A b')], 'authorizers[0].name: Invalid value: "A b": authorizer name is invalid: a lowercase RFC 1123 subdomain'],
  [() => [{ type: 'RBAC', name: 'mine' }], 'expected name rbac for authorizer RBAC instead of mine'],
  [() => [{ type: 'Webhook', name: 'w' }], 'authorizers[0].webhook: Required value: required when type=Webhook'],
  [() => [{ ...rbac, webhook: {} }], 'authorizers[0].webhook: Invalid value: "non-null": may only be specified when type=Webhook'],
  [() => [webhook({ timeout: '0s' })], 'authorizers[0].timeout: Required value'],
  [() => [webhook({ timeout: '31s' })], 'authorizers[0].timeout: Invalid value: "31s": must be > 0s and <= 30s'],
  [() => [webhook({ authorizedTTL: '-1s' })], 'authorizers[0].authorizedTTL: Invalid value: "-1s": must be > 0s'],
  [() => [webhook({ unauthorizedTTL: '1' })], 'time: missing unit in duration "1"'],
  [
    () => [webhook({ subjectAccessReviewVersion: 'v2' })],
    'authorizers[0].subjectAccessReviewVersion: Unsupported value: "v2": supported values: "v1", "v1beta1"',
  ],
  [
    () => [webhook({ matchConditions: [{ expression: 'true' }] })],
    'authorizers[0].matchConditionSubjectAccessReviewVersion: Required value: required if match conditions are specified',
  ],
  [
    () => [webhook({ failurePolicy: 'Open' })],
    'authorizers[0].failurePolicy: Unsupported value: "Open": supported values: "NoOpinion", "Deny"',
  ],
  [() => [webhook({ connectionInfo: {} })], 'authorizers[0].connectionInfo.type: Required value'],
  [
    () => [webhook({ connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: 'here' } })],
    'authorizers[0].connectionInfo.kubeConfigFile: Invalid value: "here": must be an absolute path',
  ],
  [() => [webhook({ connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: dir } })], 'must be a regular file'],
  [
    () => [webhook(conditions('request.user'))],
    'authorizers[0].matchConditions[0].expression: Invalid value: "request.user": must evaluate to bool but got string',
  ],
  [
    () => [webhook(conditions('request.resourceAttributes.kind == "x"'))],
    'authorizers[0].matchConditions[0].expression: Invalid value: "request.resourceAttributes.kind == \\"x\\"": compilation failed: ',
  ],
  [() => [webhook(conditions('true', 'true'))], 'authorizers[0].matchConditions[1].expression: Duplicate value: "true"'],
  [() => [webhook(conditions(' '))], 'authorizers[0].matchConditions[0].expression: Required value'],
  [
    () => [webhook(conditions(...Array.from({ length: 65 }, (_, i) => `${i} == 1`)))],
    'authorizers[0].matchConditions: Too many: 65: must have at most 64 items',
  ],
  [() => [webhook({ ttl: '1s' })], 'strict decoding error: unknown field "authorizers[0].webhook.ttl"'],
])('what is wrong is said: %#', async (authorizers, why) => {
  await expect(parseAuthorizationConfiguration(text(authorizers()))).rejects.toThrow(why);
});

test('what is no configuration is refused, and a type that was there must stay', async () => {
  await expect(parseAuthorizationConfiguration(text([], { kind: 'Pod' }))).rejects.toThrow(
    'failed to load AuthorizationConfiguration from file: no kind "Pod" is registered for version "apiserver.config.k8s.io/v1"',
  );
  await expect(parseAuthorizationConfiguration('kind: AuthorizationConfiguration')).rejects.toThrow(
    `Object 'apiVersion' is missing in '{"kind":"AuthorizationConfiguration"}'`,
  );
  await expect(parseAuthorizationConfiguration('a: b')).rejects.toThrow("Object 'Kind' is missing");
  await expect(parseAuthorizationConfiguration('')).rejects.toThrow('authorizers: Required value');
  await expect(parseAuthorizationConfiguration('a: [')).rejects.toThrow('failed to load AuthorizationConfiguration from file: ');
  await expect(parseAuthorizationConfiguration(text([webhook()]), ['RBAC', 'Node', 'Webhook'])).rejects.toThrow(
    'missing required types: [Node RBAC]',
  );
});

test('the flag excludes those that it replaces', async () => {
  const file = join(dir, 'config.yaml');
  writeFileSync(file, text([rbac]));
  expect((await authorizationOptions({ 'authorization-config': file })).authorization).toEqual({ authorizers: [rbac] });
  for (const other of ['authorization-mode', 'authorization-webhook-version'])
    await expect(authorizationOptions({ 'authorization-config': file, [other]: 'x' })).rejects.toThrow(
      '--authorization-config can not be specified when --authorization-mode or --authorization-webhook-* flags are defined',
    );
  await expect(authorizationOptions({ 'authorization-config': join(dir, 'none') })).rejects.toThrow('no such file or directory');
});
