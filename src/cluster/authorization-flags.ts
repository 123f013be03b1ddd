/** kube-apiserver's flags of who is asked whose a token is, and who may do what. */
import { readFile } from 'node:fs/promises';
import { type AuthorizationMode, type ClusterApiServerOptions, openKubeconfigWebhook } from '../server/index.ts';
import { systemClock as clock, systemRandom as random } from '../time/index.ts';
import { ClusterError } from './cluster-error.ts';
import type { ComponentArgs } from './config.ts';
import { durationMs, list } from './flags.ts';

const modes: readonly string[] = ['AlwaysAllow', 'AlwaysDeny', 'ABAC', 'Webhook', 'RBAC', 'Node'];

function versionOf(args: ComponentArgs, flag: string): 'v1' | 'v1beta1' {
  const version = args[flag] ?? 'v1beta1';
  if (version !== 'v1' && version !== 'v1beta1')
    throw new ClusterError(
      `unsupported ${flag.startsWith('authentication') ? 'authentication' : 'authorization'} webhook version ${JSON.stringify(version)}, supported versions are "v1", "v1beta1"`,
    );
  return version;
}

async function webhookOf(flag: string, file: string) {
  try {
    return await openKubeconfigWebhook(file);
  } catch (error) {
    throw new ClusterError(`--${flag}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

export async function tokenWebhookOptions(args: ComponentArgs): Promise<Pick<ClusterApiServerOptions['authentication'], 'tokenWebhook'>> {
  const flag = 'authentication-token-webhook-config-file';
  const file = args[flag];
  if (!file) return {};
  const version = versionOf(args, 'authentication-token-webhook-version');
  const ttlMs = durationMs(args['authentication-token-webhook-cache-ttl'] ?? '2m');
  return { tokenWebhook: { webhook: await webhookOf(flag, file), version, ttlMs } };
}

export async function authorizationOptions(args: ComponentArgs): Promise<Pick<ClusterApiServerOptions, 'authorization'>> {
  const given = list(args['authorization-mode']);
  const policyFile = args['authorization-policy-file'];
  const flag = 'authorization-webhook-config-file';
  const webhookFile = args[flag];
  for (const [i, mode] of given.entries()) {
    if (!modes.includes(mode)) throw new ClusterError(`authorization-mode "${mode}" is not a valid mode`);
    if (given.indexOf(mode) !== i)
      throw new ClusterError(`authorization-mode [${given.map((m) => JSON.stringify(m)).join(' ')}] has mode specified more than once`);
  }
  if (given.includes('ABAC') && !policyFile) throw new ClusterError("authorization-mode ABAC's authorization policy file not passed");
  if (given.includes('Webhook') && !webhookFile)
    throw new ClusterError("authorization-mode Webhook's authorization config file not passed");
  if (policyFile && !given.includes('ABAC')) throw new ClusterError('cannot specify --authorization-policy-file without mode ABAC');
  if (webhookFile && !given.includes('Webhook'))
    throw new ClusterError('cannot specify --authorization-webhook-config-file without mode Webhook');
  const webhook = webhookFile && {
    webhook: await webhookOf(flag, webhookFile),
    version: versionOf(args, 'authorization-webhook-version'),
    allowedTtlMs: durationMs(args['authorization-webhook-cache-authorized-ttl'] ?? '5m'),
    deniedTtlMs: durationMs(args['authorization-webhook-cache-unauthorized-ttl'] ?? '30s'),
    ...{ clock, random },
  };
  return {
    authorization: {
      // Each has been seen to be one.
      ...(given.length > 0 ? { modes: given as AuthorizationMode[] } : {}),
      ...(policyFile ? { policy: await readFile(policyFile, 'utf8') } : {}),
      ...(webhook ? { webhook } : {}),
    },
  };
}
