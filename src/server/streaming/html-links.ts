/** Pages of what is proxied to: links that lead to its own host are led through the proxy again. */
import { posix } from 'node:path';
import { Transform } from 'node:stream';

/** Attributes that hold URLs, by their element (HTML 4's index of attributes, and HTML's). */
const linksOf: Readonly<Record<string, readonly string[]>> = {
  a: ['href'],
  applet: ['codebase'],
  area: ['href'],
  audio: ['src'],
  base: ['href'],
  blockquote: ['cite'],
  body: ['background'],
  button: ['formaction'],
  command: ['icon'],
  del: ['cite'],
  embed: ['src'],
  form: ['action'],
  frame: ['longdesc', 'src'],
  head: ['profile'],
  html: ['manifest'],
  iframe: ['longdesc', 'src'],
  img: ['longdesc', 'src', 'usemap'],
  input: ['src', 'usemap', 'formaction'],
  ins: ['cite'],
  link: ['href'],
  object: ['classid', 'codebase', 'data', 'usemap'],
  q: ['cite'],
  script: ['src'],
  source: ['src'],
  video: ['poster', 'src'],
};

/** Elements whose content is text, whatever it looks like. */
const rawElements = new Set(['script', 'style', 'textarea', 'title', 'xmp', 'iframe', 'noembed', 'noframes']);

/** A tag longer than this is passed on as it is. */
const longestTag = 16 * 1024;

const reference = /^(?:([a-z][a-z0-9+.-]*):)?(?:\/\/(?:[^/?#@]*@)?([^/?#]*))?([^?#]*)(.*)$/is;

/** Leads a URL that has a path from the root, of one of `hosts` or of none, through the proxy at the path `own`. */
export function throughProxy(url: string, own: string, hosts: readonly (string | undefined)[]): string {
  const [, scheme, host, path = '', rest = ''] = reference.exec(url) ?? [];
  if (!path.startsWith('/') || (host ? !hosts.includes(host) : scheme !== undefined)) return url;
  return (path.startsWith(own) ? path : posix.normalize(own + path)) + rest;
}

interface Tag {
  name: string;
  text: string;
  end: number;
}

const tagName = /<([a-z][^\s/>]*)/iy;
const attribute = /[\s/]*([^\s/>=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|(?!["'])([^\s>]*)))?/dy;

/** The tag that begins there, its links rewritten; undefined where it does not end. */
function tagAt(html: string, start: number, rewrite: (url: string) => string): Tag | undefined {
  tagName.lastIndex = start;
  const name = tagName.exec(html)?.[1]?.toLowerCase() ?? '';
  const links = Object.hasOwn(linksOf, name) ? linksOf[name] : undefined;
  let text = '';
  let written = start;
  let at = tagName.lastIndex;
  for (;;) {
    attribute.lastIndex = at;
    const found = attribute.exec(html);
    if (!found) break;
    at = attribute.lastIndex;
    const value = found.indices?.[2] ?? found.indices?.[3] ?? found.indices?.[4];
    if (!value || !links?.includes(found[1]?.toLowerCase() ?? '')) continue;
    text += html.slice(written, value[0]) + rewrite(html.slice(...value));
    written = value[1];
  }
  const close = /[\s/]*>/y;
  close.lastIndex = at;
  if (!close.test(html)) return undefined;
  return { name, text: text + html.slice(written, close.lastIndex), end: close.lastIndex };
}

/** Passes HTML on with the URLs in its tags rewritten. Holds back no more than a tag that has not ended. */
export function rewriteLinks(rewrite: (url: string) => string): Transform {
  let held = '';
  /** In a comment, or in text that looks like tags: what ends it, in lower case. */
  let until = '';

  /** What can be passed on; the rest is held. */
  function scan(html: string, isLast: boolean): string {
    const lower = html.toLowerCase();
    let out = '';
    let at = 0;
    const hold = (from: number): string => {
      held = html.slice(from);
      return out;
    };
    for (;;) {
      if (until !== '') {
        const end = lower.indexOf(until, at);
        // Its end may have begun.
        const pass = end >= 0 ? end : Math.max(at, html.length - until.length + 1);
        out += html.slice(at, pass);
        if (end < 0) return hold(pass);
        at = end;
        until = '';
      }
      const open = html.indexOf('<', at);
      out += html.slice(at, open < 0 ? undefined : open);
      if (open < 0) return hold(html.length);
      if (html.startsWith('<!--', open)) {
        out += '<!--';
        at = open + 4;
        until = '-->';
        continue;
      }
      const isTag = /[a-z]/i.test(html.charAt(open + 1));
      const tag = isTag ? tagAt(html, open, rewrite) : undefined;
      if (tag) {
        out += tag.text;
        at = tag.end;
        if (rawElements.has(tag.name)) until = `</${tag.name}`;
        continue;
      }
      const mayGoOn = isTag ? html.length - open < longestTag : '<!--'.startsWith(html.slice(open));
      if (!isLast && mayGoOn) return hold(open);
      out += '<';
      at = open + 1;
    }
  }

  const pass = (chunk: string, isLast: boolean) => {
    const html = held + chunk;
    held = '';
    const out = scan(html, isLast);
    return Buffer.from(isLast ? out + held : out, 'latin1');
  };
  return new Transform({
    // Byte for byte: what is no ASCII is no part of what is looked for.
    transform: (chunk: Buffer, _encoding, done) => done(null, pass(chunk.toString('latin1'), false)),
    flush: (done) => done(null, pass('', true)),
  });
}
