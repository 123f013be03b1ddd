/** URLs as Go reads them: host, port and path stay as they are written (RFC 3986, Go's net/url). */

export interface GoUrl {
  readonly scheme: string;
  /** With its port; addresses in their brackets. */
  readonly host: string;
  readonly path: string;
  /** What the text itself says where that is a valid path. */
  readonly escapedPath: string;
  readonly query: string;
  /** What stands before the host; undefined where there is none. */
  readonly user?: string;
}

export class UrlError extends Error {
  override readonly name = 'UrlError';
}

const fail = (text: string, why: string): never => {
  throw new UrlError(`parse ${JSON.stringify(text)}: ${why}`);
};

/** @throws UrlError for an escape that is none */
function unescaped(text: string, whole: string, plusIsSpace = false): string {
  const wrong = /%(?![0-9a-fA-F]{2})[\s\S]{0,2}/.exec(text);
  if (wrong) fail(whole, `invalid URL escape ${JSON.stringify(wrong[0])}`);
  const source = plusIsSpace ? text.replaceAll('+', ' ') : text;
  if (!source.includes('%')) return source;
  const bytes: number[] = [];
  const encoder = new TextEncoder();
  for (const [part, hex] of source.matchAll(/%([0-9a-fA-F]{2})|[^%]+/g)) {
    if (hex === undefined) for (const byte of encoder.encode(part)) bytes.push(byte);
    else bytes.push(Number.parseInt(hex, 16));
  }
  return new TextDecoder().decode(Uint8Array.from(bytes));
}

function escapePath(path: string): string {
  const encoder = new TextEncoder();
  return path.replace(/[^A-Za-z0-9\-_.~$&+,/:;=@]/gu, (character) =>
    [...encoder.encode(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
}

const isEscapedPath = (text: string) => /^(?:[A-Za-z0-9\-_.~$&+,/:;=@!'()*[\]]|%[0-9a-fA-F]{2})*$/.test(text);

function schemeOf(text: string): { scheme: string; rest: string } {
  const [, scheme = '', rest = text] = /^([a-zA-Z][a-zA-Z0-9+.-]*):(.*)$/s.exec(text) ?? [];
  if (text.startsWith(':')) fail(text, 'missing protocol scheme');
  return { scheme: scheme.toLowerCase(), rest };
}

function checkHost(host: string, whole: string): void {
  const port = host.startsWith('[') ? host.slice(host.lastIndexOf(']') + 1) : host.includes(':') ? host.slice(host.lastIndexOf(':')) : '';
  if (host.startsWith('[') && !host.includes(']')) fail(whole, "missing ']' in host");
  if (!/^(?::\d*)?$/.test(port)) fail(whole, `invalid port ${JSON.stringify(port)} after host`);
  const wrong = /[\x21-\x7e]|[ ]/.test(host) ? /[^A-Za-z0-9\-_.~!$&'()*+,;=:[\]<>"%\u0080-\u{10ffff}]/u.exec(host) : null;
  if (wrong) fail(whole, `invalid character ${JSON.stringify(wrong[0])} in host name`);
}

function authorityOf(authority: string, whole: string): { host: string; user?: string } {
  const at = authority.lastIndexOf('@');
  const host = authority.slice(at + 1);
  if (at >= 0 && !/^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/.test(authority.slice(0, at))) fail(whole, 'net/url: invalid userinfo');
  checkHost(host, whole);
  return at < 0 ? { host } : { host, user: authority.slice(0, at) };
}

function parse(text: string, isRequest: boolean): GoUrl {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\x00-\x1f\x7f]/.test(text)) fail(text, 'net/url: invalid control character in URL');
  if (isRequest && text === '') fail(text, 'empty url');
  if (text === '*') return { scheme: '', host: '', path: '*', escapedPath: '*', query: '' };
  const { scheme, rest: afterScheme } = schemeOf(text);
  const question = afterScheme.indexOf('?');
  const query = question < 0 ? '' : afterScheme.slice(question + 1);
  let rest = question < 0 ? afterScheme : afterScheme.slice(0, question);
  if (!rest.startsWith('/')) {
    if (scheme !== '') return { scheme, host: '', path: '', escapedPath: '', query };
    if (isRequest) fail(text, 'invalid URI for request');
    if (rest.split('/', 1)[0]?.includes(':')) fail(text, 'first path segment in URL cannot contain colon');
  }
  let authority: ReturnType<typeof authorityOf> = { host: '' };
  if ((scheme !== '' || (!isRequest && !rest.startsWith('///'))) && rest.startsWith('//')) {
    const end = rest.indexOf('/', 2);
    authority = authorityOf(rest.slice(2, end < 0 ? undefined : end), text);
    rest = end < 0 ? '' : rest.slice(end);
  }
  const path = unescaped(rest, text);
  return { scheme, ...authority, path, escapedPath: isEscapedPath(rest) ? rest : escapePath(path), query };
}

/**
 * An absolute URL, or an absolute path.
 * @throws UrlError in Go's words
 */
export const parseRequestUri = (text: string): GoUrl => parse(text, true);

/**
 * Any URL, without its fragment; also a relative one.
 * @throws UrlError in Go's words
 */
export const parseUrl = (text: string): GoUrl => parse(text, false);

export function isRequestUri(text: string): boolean {
  try {
    parseRequestUri(text);
    return true;
  } catch (error) {
    if (error instanceof UrlError) return false;
    throw error;
  }
}

/** Without brackets and port. */
export function hostname({ host }: GoUrl): string {
  const bracketed = /^\[(.*)\]/.exec(host)?.[1];
  return bracketed ?? host.replace(/:\d*$/, '');
}

export function port({ host }: GoUrl): string {
  return /^(?:\[.*\]|[^:]*):(\d*)$/.exec(host)?.[1] ?? '';
}

/** The values of each key; what can't be read is left out. */
export function queryValues({ query }: GoUrl): Map<string, string[]> {
  const values = new Map<string, string[]>();
  for (const pair of query.split('&')) {
    if (pair === '' || pair.includes(';')) continue;
    const at = pair.indexOf('=');
    try {
      const key = unescaped(at < 0 ? pair : pair.slice(0, at), query, true);
      const value = unescaped(at < 0 ? '' : pair.slice(at + 1), query, true);
      values.set(key, [...(values.get(key) ?? []), value]);
    } catch (error) {
      if (!(error instanceof UrlError)) throw error;
    }
  }
  return values;
}
