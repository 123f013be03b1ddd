/** Warnings for clients, as Warning headers (RFC 7234; k8s.io/apiserver's WithWarningRecorder). */
import { toHeader } from './header-text.ts';

/** Up to so many characters they are sent whole. */
const mostCharacters = 4 * 1024;
/** What is left of each where they are longer. */
const shortened = 256;

const header = (text: string) => `299 - "${toHeader(text.replace(/["\\]/g, '\\$&'))}"`;

/** One header a warning; where all are too long, each is cut, until there are enough of them. A header has no control characters. */
export function warningHeaders(warnings: readonly string[]): string[] {
  const texts = warnings.map((text) => [...text.replace(/[\r\n\t]+/g, ' ').replace(/\p{Cc}/gu, '?')]);
  const total = texts.reduce((sum, characters) => sum + characters.length, 0);
  if (total <= mostCharacters) return texts.map((characters) => header(characters.join('')));
  const sent: string[] = [];
  let written = 0;
  for (const characters of texts) {
    if (written >= mostCharacters) break;
    const cut = characters.slice(0, shortened);
    written += cut.length;
    sent.push(header(cut.join('')));
  }
  return sent;
}
