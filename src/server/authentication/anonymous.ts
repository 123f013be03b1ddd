import type { Authenticator, UserInfo } from '../request.ts';

const anonymousUser: UserInfo = { name: 'system:anonymous', groups: ['system:unauthenticated'] };

/** Who sends no credentials is system:anonymous. */
export const anonymous: Authenticator = {
  authenticate: () => anonymousUser,
};
