import { createPublicKey } from 'node:crypto';
import { compactVerify } from 'jose';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Secret, ServiceAccount } from '../api/index.ts';
import { generateKeyPair } from '../pki/index.ts';
import { serviceAccountTokenController } from './service-account-tokens.ts';
import { startCluster, type TestCluster } from './testing/cluster.ts';

let c: TestCluster;
const keys = await generateKeyPair();
beforeEach(async () => {
  c = await startCluster([serviceAccountTokenController], { rootCa: 'PEM', serviceAccountKey: keys.privateKey });
});
afterEach(() => c.stop());

const makeSecret = (account: string) =>
  c.create(Secret, {
    metadata: { name: 'token', annotations: { 'kubernetes.io/service-account.name': account } },
    type: 'kubernetes.io/service-account-token',
  });
/** Signing runs on threads that no clock of ours moves. */
const tokenIsSigned = () =>
  expect
    .poll(async () => {
      await c.settle();
      return (await c.get(Secret, 'token')).data?.token;
    })
    .toBeDefined();
const text = (secret: Secret, field: string) => Buffer.from(secret.data?.[field] ?? '', 'base64').toString();

test('a secret for tokens gets one that names its account, and goes with the account', async () => {
  const account = await c.create(ServiceAccount, { metadata: { name: 'robot' }, secrets: [{ name: 'token' }, { name: 'gone' }] });
  await makeSecret('robot');
  await tokenIsSigned();
  const secret = await c.get(Secret, 'token');
  expect(secret.metadata.annotations).toEqual({
    'kubernetes.io/service-account.name': 'robot',
    'kubernetes.io/service-account.uid': account.metadata.uid,
  });
  expect([text(secret, 'namespace'), text(secret, 'ca.crt')]).toEqual(['work', 'PEM']);
  const { payload } = await compactVerify(text(secret, 'token'), createPublicKey(keys.publicKey));
  expect(JSON.parse(Buffer.from(payload).toString())).toEqual({
    iss: 'kubernetes/serviceaccount',
    sub: 'system:serviceaccount:work:robot',
    'kubernetes.io/serviceaccount/namespace': 'work',
    'kubernetes.io/serviceaccount/secret.name': 'token',
    'kubernetes.io/serviceaccount/service-account.name': 'robot',
    'kubernetes.io/serviceaccount/service-account.uid': account.metadata.uid,
  });
  await c.client.delete(Secret, 'token', { namespace: 'work' });
  await c.settle();
  expect((await c.get(ServiceAccount, 'robot')).secrets ?? []).toEqual([]);
  await makeSecret('robot');
  await tokenIsSigned();
  await c.client.delete(ServiceAccount, 'robot', { namespace: 'work' });
  await c.settle();
  expect(await c.find(Secret, 'token')).toBeUndefined();
});

test('one for an account that does not exist is removed', async () => {
  await makeSecret('nobody');
  await c.settle();
  expect(await c.find(Secret, 'token')).toBeUndefined();
});
