/**
 * Clients that act as the service accounts of controllers, for a controller manager that reaches the API server over the network
 * (--use-service-account-credentials): each asks for a token of its account and renews it in time.
 */
import { type authenticationV1, type Draft, hasReason, ServiceAccount } from '../api/index.ts';
import { type Client, createClient, type Transport } from '../client/index.ts';
import type { Clock } from '../time/index.ts';

const namespace = 'kube-system';
const tokenSeconds = 3600;

export interface ServiceAccountClientOptions {
  /** May make service accounts and their tokens. */
  client: Client;
  /** To the same server, without credentials of its own; all accounts share its connections. */
  transport: Transport;
  clock: Clock;
}

export function serviceAccountClients({ client, transport, clock }: ServiceAccountClientOptions) {
  const tokens = new Map<string, { token: Promise<string>; renewAtMs: number }>();

  const ensureAccount = async (name: string): Promise<void> => {
    const account: Draft<ServiceAccount> = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } };
    await client.create(ServiceAccount, account, { namespace }).catch((error: unknown) => {
      if (!hasReason(error, 'AlreadyExists')) throw error;
    });
  };

  const request = async (name: string): Promise<string> => {
    const wanted = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: tokenSeconds } };
    const ask = () => client.createSubresource<authenticationV1.TokenRequest>(ServiceAccount, name, 'token', wanted, { namespace });
    const made = await ask().catch(async (error: unknown) => {
      if (!hasReason(error, 'NotFound')) throw error;
      await ensureAccount(name);
      return ask();
    });
    return made.status?.token ?? '';
  };

  const tokenOf = (name: string): Promise<string> => {
    const now = clock.monotonic();
    const known = tokens.get(name);
    if (known && now < known.renewAtMs) return known.token;
    const token = request(name);
    // With a fifth of its time to spare.
    tokens.set(name, { token, renewAtMs: now + tokenSeconds * 800 });
    token.catch(() => tokens.delete(name));
    return token;
  };

  return (controller: string, account: string): Client => {
    const as = async <R extends { headers?: Record<string, string> }>(asked: R): Promise<R> => ({
      ...asked,
      headers: { ...asked.headers, authorization: `Bearer ${await tokenOf(account)}` },
    });
    const own: Transport = {
      request: async (asked) => transport.request(await as(asked)),
      async *stream(asked) {
        yield* transport.stream(await as(asked));
      },
      close: () => transport.close(),
    };
    return createClient(own, { userAgent: `kube-controller-manager/${controller}` });
  };
}
