import type { Authenticator } from '../request.ts';

/** Who sends no credentials is system:anonymous. */
export const anonymous: Authenticator = {
  authenticate: () => Promise.resolve({ name: 'system:anonymous', groups: ['system:unauthenticated'] }),
};
