/** How deep a YAML text nests, found before it is parsed: parsing what nests without end would take the server's time. */
import { Lexer } from 'yaml';

/** Go's parser goes no deeper. */
const maxDepth = 10_000;
export const tooDeepYaml = `exceeded max depth of ${maxDepth}`;

const openings = new Set(['[', '{']);
const closings = new Set([']', '}']);
/** Each opens a collection inside that of the one before it on its line. */
const nestingIndicators = new Set(['-', '?', ':']);

/** Whether there are so many signs in the text that open collections that it could nest too deep. */
function mayBeDeep(text: string): boolean {
  let flow = 0;
  let line = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char === 0x0a) line = 0;
    else if (char === 0x5b || char === 0x7b) flow++;
    else if (char === 0x2d || char === 0x3f || char === 0x3a) line++;
    if (flow > maxDepth || line > maxDepth) return true;
  }
  return false;
}

/** Whether its collections nest deeper than Go takes; lines that only indent ever more can't within a request's size. */
export function nestsTooDeep(text: string): boolean {
  if (!mayBeDeep(text)) return false;
  let flow = 0;
  let line = 0;
  for (const token of new Lexer().lex(text)) {
    if (openings.has(token)) flow++;
    else if (closings.has(token)) flow--;
    else if (token === '\n') line = 0;
    else if (flow === 0 && nestingIndicators.has(token)) line++;
    if (flow > maxDepth || line > maxDepth) return true;
  }
  return false;
}
