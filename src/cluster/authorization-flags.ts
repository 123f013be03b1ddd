/** kube-apiserver's flags of who is asked whose a token is, and who may do what. */
import { readFile } from 'node:fs/promises';
import { type AuthorizationMode, type ClusterApiServerOptions, type ConfiguredAuthorizer, openKubeconfigWebhook } from '../server/index.ts';
import { systemClock as clock, systemRandom as random } from '../time/index.ts';
import { parseAuthorizationConfiguration } from './authorization-configuration.ts';
import { ClusterError } from './cluster-error.ts';
import type { ComponentArgs } from './config.ts';
import { durationMs, list } from './flags.ts';
import { readText } from './pem-files.ts';

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

/** --authorization-config says all that these say. */
const replacedFlags = [
  'authorization-mode',
  'authorization-webhook-config-file',
  'authorization-webhook-version',
  'authorization-webhook-cache-authorized-ttl',
  'authorization-webhook-cache-unauthorized-ttl',
];

async function configuredAuthorizers(args: ComponentArgs): Promise<readonly ConfiguredAuthorizer[] | undefined> {
  const given = list(args['authorization-mode']);
  const flag = 'authorization-webhook-config-file';
  const webhookFile = args[flag];
  for (const [i, mode] of given.entries()) {
    if (!modes.includes(mode)) throw new ClusterError(`authorization-mode "${mode}" is not a valid mode`);
    if (given.indexOf(mode) !== i)
      throw new ClusterError(`authorization-mode [${given.map((m) => JSON.stringify(m)).join(' ')}] has mode specified more than once`);
  }
  if (given.includes('ABAC') && !args['authorization-policy-file'])
    throw new ClusterError("authorization-mode ABAC's authorization policy file not passed");
  if (given.includes('Webhook') && !webhookFile)
    throw new ClusterError("authorization-mode Webhook's authorization config file not passed");
  if (args['authorization-policy-file'] && !given.includes('ABAC'))
    throw new ClusterError('cannot specify --authorization-policy-file without mode ABAC');
  if (webhookFile && !given.includes('Webhook'))
    throw new ClusterError('cannot specify --authorization-webhook-config-file without mode Webhook');
  if (given.length === 0) return undefined;
  const webhook = webhookFile && {
    webhook: await webhookOf(flag, webhookFile),
    version: versionOf(args, 'authorization-webhook-version'),
    allowedTtlMs: durationMs(args['authorization-webhook-cache-authorized-ttl'] ?? '5m'),
    deniedTtlMs: durationMs(args['authorization-webhook-cache-unauthorized-ttl'] ?? '30s'),
    ...{ clock, random },
  };
  return given.map((mode): ConfiguredAuthorizer => {
    if (webhook && mode === 'Webhook') return { type: mode, name: 'default', webhook };
    // Each has been seen to be a mode.
    return { type: mode as Exclude<AuthorizationMode, 'Webhook'>, name: mode.toLowerCase() };
  });
}

/** A configuration that is followed: what its file says now, and what it may say later. */
export interface FollowedAuthorization {
  file: string;
  text: string;
  parse(text: string): Promise<ConfiguredAuthorizer[]>;
}

export interface AuthorizationFlags extends Pick<ClusterApiServerOptions, 'authorization'> {
  followed?: FollowedAuthorization;
}

export async function authorizationOptions(args: ComponentArgs): Promise<AuthorizationFlags> {
  const policyFile = args['authorization-policy-file'];
  const policy = async () => (policyFile ? { policy: { file: policyFile, text: await readText(policyFile) } } : {});
  const file = args['authorization-config'];
  if (!file) {
    const authorizers = await configuredAuthorizers(args);
    return { authorization: { ...(authorizers ? { authorizers } : {}), ...(await policy()) } };
  }
  if (replacedFlags.some((name) => args[name] !== undefined))
    throw new ClusterError(
      '--authorization-config can not be specified when --authorization-mode or --authorization-webhook-* flags are defined',
    );
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new ClusterError(error.code === 'ENOENT' ? `open ${file}: no such file or directory` : error.message);
  });
  const authorizers = await parseAuthorizationConfiguration(text);
  const lasting = authorizers.map(({ type }) => type);
  return {
    authorization: { authorizers, ...(await policy()) },
    followed: { file, text, parse: (next) => parseAuthorizationConfiguration(next, lasting) },
  };
}
