/** Who the API server says it is to webhooks: the users of a kubeconfig, by where webhooks are (k8s.io/apiserver/pkg/util/webhook). */
import { readFile } from 'node:fs/promises';
import { credentialsOf, loadKubeconfig } from '../../client/index.ts';

/** PEM, and an Authorization header. */
export interface WebhookCredentials {
  cert?: string | undefined;
  key?: string | undefined;
  authorization?: string | undefined;
}

/** By host and port (`NAME.NAMESPACE.svc:443` of a Service); nothing where nobody is named. Throws for a token that can't be read. */
export type CredentialsFor = (target: string) => Promise<WebhookCredentials>;

/** The names that a user of this place may have, the nearest first: its own, and those for all below a domain. */
function userNames(target: string): string[] {
  const names = (place: string) => {
    const [, ...domains] = place.split('.');
    return [place, ...domains.map((_, i) => `*.${domains.slice(i).join('.')}`)];
  };
  return target.endsWith(':443') ? [...names(target), ...names(target.slice(0, -':443'.length))] : names(target);
}

/** Throws where the kubeconfig can't be used. */
export async function openWebhookCredentials(file: string): Promise<CredentialsFor> {
  const { users } = await loadKubeconfig(file);
  const known = new Map<string, Awaited<ReturnType<typeof credentialsOf>>>();
  for (const { name, user } of users) if (!known.has(name)) known.set(name, await credentialsOf(user));
  return async (target) => {
    const found = userNames(target)
      .map((name) => known.get(name))
      .find((user) => user !== undefined);
    if (!found) return {};
    const { cert, key, username, password, tokenFile } = found;
    // It may be renewed at any time.
    const token = tokenFile ? (await readFile(tokenFile, 'utf8')).trim() : found.token;
    const basic = username === undefined ? undefined : `Basic ${Buffer.from(`${username}:${password ?? ''}`).toString('base64')}`;
    return { cert, key, authorization: token ? `Bearer ${token}` : basic };
  };
}
