import type { UserInfo } from '../request.ts';
import type { TokenAuthenticator } from './token.ts';

/** --token-auth-file (its name is for messages): records `token,user,uid[,"group1,group2"]` of comma-separated values (RFC 4180). */
export function parseTokenFile(text: string, file: string): Map<string, UserInfo> {
  const users = new Map<string, UserInfo>();
  for (const record of recordsOf(text)) {
    const [token = '', name, uid, groups] = record;
    if (name === undefined || uid === undefined)
      throw new Error(`token file '${file}' must have at least 3 columns (token, user name, user uid), found ${record.length}`);
    if (token !== '') users.set(token, { name, uid, groups: groups === undefined ? [] : groups.split(',') });
  }
  return users;
}

/** A field, and what ends it. */
const field = /(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n|$)/y;

/** Fields are as they are written, spaces too; those in quotes may have commas and lines; empty lines are no records. */
function* recordsOf(text: string): Iterable<string[]> {
  const source = text.replaceAll('\r\n', '\n');
  let record: string[] = [];
  for (let at = 0; at < source.length; ) {
    field.lastIndex = at;
    const found = field.exec(source);
    if (found === null) {
      const line = source.slice(0, at).split('\n').length;
      const why = source[at] === '"' ? 'extraneous or missing " in quoted-field' : 'bare " in non-quoted field';
      throw new Error(`parse error on line ${line}: ${why}`);
    }
    const [whole, quoted, plain = '', end] = found;
    at += whole.length;
    record.push(quoted?.replaceAll('""', '"') ?? plain);
    if (end === ',') {
      if (at === source.length) record.push('');
      else continue;
    }
    if (record.length > 1 || whole.trim() !== '') yield record;
    record = [];
  }
}

export function staticTokens(users: ReadonlyMap<string, UserInfo>): TokenAuthenticator {
  return {
    authenticateToken(token) {
      const user = users.get(token);
      return Promise.resolve(user === undefined ? undefined : { user });
    },
  };
}
