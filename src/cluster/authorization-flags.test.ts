import { expect, test } from 'vitest';
import { authorizationOptions, tokenWebhookOptions } from './authorization-flags.ts';

test.each([
  [{ 'authorization-mode': 'RBAC,Magic' }, 'authorization-mode "Magic" is not a valid mode'],
  [{ 'authorization-mode': 'RBAC,RBAC' }, 'has mode specified more than once'],
  [{ 'authorization-mode': 'ABAC' }, "authorization-mode ABAC's authorization policy file not passed"],
  [{ 'authorization-mode': 'Webhook' }, "authorization-mode Webhook's authorization config file not passed"],
  [{ 'authorization-policy-file': '/x' }, 'cannot specify --authorization-policy-file without mode ABAC'],
  [{ 'authorization-webhook-config-file': '/x' }, 'cannot specify --authorization-webhook-config-file without mode Webhook'],
  [{ 'authorization-mode': 'Webhook', 'authorization-webhook-config-file': '/nowhere' }, '--authorization-webhook-config-file: '],
])('%o is refused', async (args, message) => {
  await expect(authorizationOptions(args)).rejects.toThrow(message);
});

test('without flags there is the default, and no webhook', async () => {
  expect(await authorizationOptions({})).toEqual({ authorization: {} });
  expect(await authorizationOptions({ 'authorization-mode': 'Node,RBAC' })).toEqual({
    authorization: {
      authorizers: [
        { type: 'Node', name: 'node' },
        { type: 'RBAC', name: 'rbac' },
      ],
    },
  });
  expect(await tokenWebhookOptions({})).toEqual({});
  const args = { 'authentication-token-webhook-config-file': '/x', 'authentication-token-webhook-version': 'v2' };
  await expect(tokenWebhookOptions(args)).rejects.toThrow(
    'unsupported authentication webhook version "v2", supported versions are "v1", "v1beta1"',
  );
});
