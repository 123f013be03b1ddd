import { errors } from '../../api/index.ts';
import type { Authenticator, Credentials, UserInfo } from '../request.ts';

/**
 * Asks one authenticator after another; the first that knows the user wins. When none does and one of them found its credentials
 * wrong, the request is unauthorized: bad credentials never fall through to anonymous.
 */
export function union(authenticators: readonly Authenticator[], options: { onError?(error: unknown): void } = {}): Authenticator {
  return {
    authenticate(credentials) {
      let failed = false;
      const refused = (error: unknown): undefined => {
        failed = true;
        options.onError?.(error);
      };
      const next = (from: number): UserInfo | undefined | Promise<UserInfo | undefined> => {
        for (let i = from; i < authenticators.length; i++) {
          const answer = attempt(authenticators[i], credentials, refused);
          if (answer instanceof Promise)
            return answer.catch(refused).then((user) => (user === undefined ? next(i + 1) : withAuthenticatedGroup(user)));
          if (answer !== undefined) return withAuthenticatedGroup(answer);
        }
        if (failed) throw errors.unauthorized();
        return undefined;
      };
      return next(0);
    },
  };
}

function attempt(authenticator: Authenticator | undefined, credentials: Credentials, refused: (error: unknown) => undefined) {
  try {
    return authenticator?.authenticate(credentials);
  } catch (error) {
    return refused(error);
  }
}

const authenticatedGroup = 'system:authenticated';

/** Users of certificates stay the same objects for the life of their connections. */
const completed = new WeakMap<UserInfo, UserInfo>();

/** Every user but the anonymous is in system:authenticated. */
export function withAuthenticatedGroup(user: UserInfo): UserInfo {
  if (user.name === 'system:anonymous' || user.groups.includes(authenticatedGroup) || user.groups.includes('system:unauthenticated'))
    return user;
  let whole = completed.get(user);
  if (whole === undefined) {
    whole = { ...user, groups: [...user.groups, authenticatedGroup] };
    completed.set(user, whole);
  }
  return whole;
}
