import { errors } from '../../api/index.ts';
import type { Authenticator, UserInfo } from '../request.ts';

/**
 * Asks one authenticator after another; the first that knows the user wins. When none does and one of them found its credentials
 * wrong, the request is unauthorized: bad credentials never fall through to anonymous.
 */
export function union(authenticators: readonly Authenticator[], options: { onError?(error: unknown): void } = {}): Authenticator {
  return {
    async authenticate(credentials) {
      let failed = false;
      for (const authenticator of authenticators) {
        try {
          const user = await authenticator.authenticate(credentials);
          if (user !== undefined) return withAuthenticatedGroup(user);
        } catch (error) {
          failed = true;
          options.onError?.(error);
        }
      }
      if (failed) throw errors.unauthorized();
      return undefined;
    },
  };
}

const authenticatedGroup = 'system:authenticated';

/** Every user but the anonymous is in system:authenticated. */
export function withAuthenticatedGroup(user: UserInfo): UserInfo {
  if (user.groups.includes(authenticatedGroup) || user.groups.includes('system:unauthenticated')) return user;
  return { ...user, groups: [...user.groups, authenticatedGroup] };
}
