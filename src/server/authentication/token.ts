import type { AuthenticationNotes, Authenticator, Credentials, UserInfo } from '../request.ts';

export interface TokenResult {
  user: UserInfo;
  /** Those of the wanted audiences that the token is good for; undefined where the authenticator knows nothing of audiences. */
  audiences?: readonly string[];
}

/** Bearer tokens of one kind. */
export interface TokenAuthenticator {
  /** undefined: not one of mine. Throws when it is and is not valid. */
  authenticateToken(token: string, audiences: readonly string[], notes?: AuthenticationNotes): Promise<TokenResult | undefined>;
}

/** Asks each; throws what the last one that threw did when none knows the token. */
export function unionTokens(authenticators: readonly TokenAuthenticator[]): TokenAuthenticator {
  return {
    async authenticateToken(token, audiences, notes) {
      let failure: unknown;
      for (const authenticator of authenticators) {
        try {
          const result = await authenticator.authenticateToken(token, audiences, notes);
          if (result !== undefined) return result;
        } catch (error) {
          failure = error;
        }
      }
      if (failure !== undefined) throw failure;
      return undefined;
    },
  };
}

const webSocketPrefix = 'base64url.bearer.authorization.k8s.io.';

/** The token of an Authorization header, or, from browsers, of a WebSocket subprotocol. */
export function bearerToken(credentials: Credentials): string | undefined {
  const authorization = credentials.header('authorization');
  if (authorization !== undefined) {
    const [scheme, token] = authorization.trim().split(' ');
    if (scheme?.toLowerCase() === 'bearer' && token) return token;
  }
  const protocol = credentials.webSocketProtocols.find((p) => p.startsWith(webSocketPrefix));
  return protocol === undefined ? undefined : Buffer.from(protocol.slice(webSocketPrefix.length), 'base64url').toString('utf8');
}

/** Bearer tokens as request credentials. A token that nobody knows is an error, not an anonymous request. */
export function bearerTokens(tokens: TokenAuthenticator, apiAudiences: readonly string[]): Authenticator {
  return {
    authenticate(credentials) {
      const token = bearerToken(credentials);
      if (token === undefined) return undefined;
      return tokens.authenticateToken(token, apiAudiences, credentials.notes).then((result) => {
        if (result === undefined) throw new Error('invalid bearer token');
        return result.user;
      });
    },
  };
}
