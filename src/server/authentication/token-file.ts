import type { UserInfo } from '../request.ts';
import type { TokenAuthenticator } from './token.ts';

/** --token-auth-file: CSV lines `token,user,uid[,"group1,group2"]`. */
export function parseTokenFile(text: string): Map<string, UserInfo> {
  const users = new Map<string, UserInfo>();
  for (const [at, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const [token, name, uid, groups] = parseCsvLine(line);
    if (name === undefined || uid === undefined)
      throw new Error(
        `token file line ${at + 1} must have at least 3 columns (token, user name, user uid), found ${line.split(',').length}`,
      );
    if (!token) continue;
    users.set(token, { name, uid, groups: groups ? groups.split(',').map((g) => g.trim()) : [] });
  }
  return users;
}

function parseCsvLine(line: string): string[] {
  return [...line.matchAll(/\s*(?:"((?:[^"]|"")*)"|([^,]*))\s*(?:,|$)/g)]
    .filter((m) => m[0] !== '')
    .map((m) => (m[1] === undefined ? (m[2] ?? '').trim() : m[1].replaceAll('""', '"')));
}

export function staticTokens(users: ReadonlyMap<string, UserInfo>): TokenAuthenticator {
  return {
    authenticateToken(token) {
      const user = users.get(token);
      return Promise.resolve(user === undefined ? undefined : { user });
    },
  };
}
