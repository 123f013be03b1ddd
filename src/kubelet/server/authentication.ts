/** Who asks: by client certificate, or by a token that the API server knows. */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { type authenticationV1, TokenReview } from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import type { Clock } from '../../time/index.ts';
import { expiringCache } from './expiring-cache.ts';

export interface KubeletUser {
  name: string;
  uid?: string;
  groups: readonly string[];
  extra?: Readonly<Record<string, readonly string[]>>;
}

/** --authentication-token-webhook-cache-ttl's default; what is refused is asked again sooner. */
const tokenTtlMs = 120_000;
const refusedTtlMs = 10_000;

const list = (value: string | string[] | undefined) => (value === undefined ? [] : Array.isArray(value) ? value : [value]);

function byCertificate(request: IncomingMessage): KubeletUser | undefined {
  const socket = request.socket as TLSSocket; // of an HTTPS server
  if (!socket.authorized) return undefined;
  const { subject } = socket.getPeerCertificate();
  if (subject === undefined) return undefined;
  const { CN, O } = subject as { CN?: string | string[]; O?: string | string[] }; // repeated attributes come as lists
  return { name: list(CN)[0] ?? '', groups: [...list(O), 'system:authenticated'] };
}

/** Answers undefined for who is nobody known. */
export function authentication({ client, clock, anonymous }: { client: Client; clock: Clock; anonymous: boolean }) {
  const reviews = expiringCache<authenticationV1.TokenReviewStatus>(clock, (status) => (status.authenticated ? tokenTtlMs : refusedTtlMs));

  const byToken = async (token: string): Promise<KubeletUser | undefined> => {
    // The token itself is not kept.
    const status = await reviews(createHash('sha256').update(token).digest('base64'), async () => {
      const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', metadata: {}, spec: { token } };
      return (await client.create(TokenReview, review)).status ?? {};
    });
    if (!status.authenticated) return undefined;
    const { username = '', uid, groups = [], extra } = status.user ?? {};
    return { name: username, groups, ...(uid ? { uid } : {}), ...(extra ? { extra } : {}) };
  };

  return async (request: IncomingMessage): Promise<KubeletUser | undefined> => {
    const known = byCertificate(request);
    if (known !== undefined) return known;
    const [, token] = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
    if (token !== undefined) return byToken(token);
    return anonymous ? { name: 'system:anonymous', groups: ['system:unauthenticated'] } : undefined;
  };
}
