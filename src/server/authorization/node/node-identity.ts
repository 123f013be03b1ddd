import type { UserInfo } from '../../request.ts';

const prefix = 'system:node:';

/** The node that a user is the kubelet of; undefined for everybody else. */
export function nodeNameOf(user: UserInfo): string | undefined {
  return user.name.startsWith(prefix) && user.groups.includes('system:nodes') ? user.name.slice(prefix.length) : undefined;
}
