import { isUtf8 } from 'node:buffer';
import { aggregateMessage } from '../../api/index.ts';
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

/** Asks each; throws what those said that threw when none knows the token: one error, or an AggregateError of several. */
export function unionTokens(authenticators: readonly TokenAuthenticator[]): TokenAuthenticator {
  return {
    async authenticateToken(token, audiences, notes) {
      const failures: unknown[] = [];
      for (const authenticator of authenticators) {
        try {
          const result = await authenticator.authenticateToken(token, audiences, notes);
          if (result !== undefined) return result;
        } catch (error) {
          failures.push(error);
        }
      }
      if (failures.length > 1) throw new AggregateError(failures, describeFailures(failures));
      if (failures.length > 0) throw failures[0];
      return undefined;
    },
  };
}

/**
 * For tokens that know nothing of audiences: they are good for the API's own, and for nobody who wants them for another.
 * Where the API has none, neither is asked for.
 */
export function audienceAgnostic(apiAudiences: readonly string[], tokens: TokenAuthenticator): TokenAuthenticator {
  return {
    async authenticateToken(token, wanted, notes) {
      if (wanted.length === 0) return tokens.authenticateToken(token, wanted, notes);
      const audiences = apiAudiences.filter((audience) => wanted.includes(audience));
      if (audiences.length === 0) return undefined;
      const found = await tokens.authenticateToken(token, wanted, notes);
      return found && { user: found.user, audiences };
    },
  };
}

const messagesOf = (failure: unknown): string[] => {
  if (failure instanceof AggregateError) return failure.errors.flatMap(messagesOf);
  return [failure instanceof Error ? failure.message : String(failure)];
};

/** Failures as one text, each said once: `one`, or `[one, another]`. */
export function describeFailures(failures: readonly unknown[]): string {
  return aggregateMessage(failures.flatMap(messagesOf));
}

/** What is said of a token that nobody knows. */
export const invalidBearerToken = 'invalid bearer token';

const webSocketPrefix = 'base64url.bearer.authorization.k8s.io.';

const extraSpace = 'the provided Authorization header contains extra space before the bearer token, and is ignored';

/** The token of an Authorization header. */
function headerToken({ header, notes }: Credentials): string | undefined {
  const [scheme, token, after] = (header('authorization') ?? '').trim().split(' ');
  if (scheme?.toLowerCase() !== 'bearer') return undefined;
  if (token === '' && after !== undefined) notes?.warn(extraSpace);
  return token || undefined;
}

/**
 * The token that browsers, which can't set headers, send as a WebSocket subprotocol.
 * @throws Error for one that can't be read, or comes without another subprotocol for the answer to name
 */
function webSocketToken({ header, webSocketProtocols }: Credentials): string | undefined {
  if (header('upgrade')?.toLowerCase() !== 'websocket') return undefined;
  const [encoded, ...more] = webSocketProtocols.filter((p) => p.startsWith(webSocketPrefix)).map((p) => p.slice(webSocketPrefix.length));
  if (!encoded) return undefined;
  if (more.length > 0) throw new Error('multiple base64.bearer.authorization tokens specified');
  if (!/^[\w-]+$/.test(encoded) || encoded.length % 4 === 1) throw new Error('invalid base64.bearer.authorization token encoding');
  const bytes = Buffer.from(encoded, 'base64url');
  if (!isUtf8(bytes)) throw new Error('invalid base64.bearer.authorization token');
  if (webSocketProtocols.length < 2) throw new Error('missing additional subprotocol');
  return bytes.toString('utf8');
}

/** The token of an Authorization header, or, from browsers, of a WebSocket subprotocol. */
export const bearerToken = (credentials: Credentials): string | undefined => headerToken(credentials) ?? webSocketToken(credentials);

/** Bearer tokens as request credentials. A token that nobody knows is an error, not an anonymous request. */
export function bearerTokens(tokens: TokenAuthenticator, apiAudiences: readonly string[]): Authenticator {
  return {
    authenticate(credentials) {
      const token = bearerToken(credentials);
      if (token === undefined) return undefined;
      return tokens.authenticateToken(token, apiAudiences, credentials.notes).then((result) => {
        if (result === undefined) throw new Error(invalidBearerToken);
        return result.user;
      });
    },
  };
}
