/** Filters that let the API server say who asks a component, and whether they may, as upstream's delegating options. */
import type { Delegation } from '../../client/index.ts';
import type { TokenAuthenticator } from '../authentication/token.ts';
import type { Authorizer } from '../request.ts';

export function delegatedTokens(delegation: Delegation): TokenAuthenticator {
  return {
    async authenticateToken(token) {
      const user = await delegation.userOf(token);
      if (user === undefined) throw new Error('invalid bearer token');
      return { user };
    },
  };
}

export function delegatedAuthorizer(delegation: Delegation): Authorizer {
  return {
    async authorize({ user, verb, path }) {
      // --authorization-always-allow-paths is the filters' own; who masters the system need not ask.
      if (user.groups.includes('system:masters')) return { decision: 'allow', reason: '' };
      const { allowed, denied, reason } = await delegation.decide(user, { nonResourceAttributes: { path, verb } });
      return { decision: allowed ? 'allow' : denied ? 'deny' : 'noOpinion', reason };
    },
  };
}
