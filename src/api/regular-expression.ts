/** Regular expressions of Go's syntax, matched in linear time: a hostile pattern costs what its text costs (RE2). */
import { RE2JS } from 're2js';

const compiled = new Map<string, RE2JS>();
const keptPatterns = 1000;

/** What patterns may become when their repetitions are written out; Go's own limit is more than JavaScript compiles in a second. */
const maxSize = 100_000;
/** What the kept patterns may be together. */
const keptSize = 1_000_000;
let size = 0;

/** The size of a pattern with its repetitions written out: `(ab{10}){2}` is as large as 22 characters. */
function expandedSize(pattern: string): number {
  const outer: number[] = [];
  let total = 0;
  let last = 0;
  const parts = /\\Q[\s\S]*?(?:\\E|$)|\\[pP]\{[^}]*\}|\\.|\[(?:\\.|[^\\\]])*\]?|\{(\d{1,4})(,?)(\d{0,4})\}|[\s\S]/gu;
  for (const [part, least, , most] of pattern.matchAll(parts)) {
    if (part === '(') {
      outer.push(total);
      total = 0;
      last = 0;
    } else if (part === ')') {
      last = total;
      total += outer.pop() ?? 0;
    } else if (least !== undefined) {
      const copies = Math.max(Number(least), Number(most ?? 0), 1);
      total += last * (copies - 1);
      last *= copies;
    } else {
      last = 1;
      total += part.startsWith('\\Q') ? part.length : 1;
    }
  }
  return total;
}

/**
 * @throws Error for what is no pattern
 */
export function compileRegularExpression(pattern: string): RE2JS {
  let known = compiled.get(pattern);
  if (known === undefined) {
    if (expandedSize(pattern) > maxSize) throw new Error('error parsing regexp: expression too large');
    known = RE2JS.compile(pattern);
    size += known.programSize();
    if (compiled.size >= keptPatterns || size > keptSize) {
      compiled.clear();
      size = known.programSize();
    }
    compiled.set(pattern, known);
  }
  return known;
}

/** How much there is to do in a search at most: a step a character and instruction, some 30 ns each. */
export function searchSteps(expression: RE2JS, text: string): number {
  return text.length * expression.programSize();
}

/** What is wrong with a pattern, in Go's words where the library has them. */
export function patternProblem(pattern: string): string | undefined {
  try {
    compileRegularExpression(pattern);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
