/** Regular expressions of Go's syntax, matched in linear time: a hostile pattern costs what its text costs (RE2). */
import { RE2JS } from 're2js';

const compiled = new Map<string, RE2JS>();
const keptPatterns = 1000;

/**
 * @throws Error for what is no pattern
 */
export function compileRegularExpression(pattern: string): RE2JS {
  let known = compiled.get(pattern);
  if (known === undefined) {
    known = RE2JS.compile(pattern);
    if (compiled.size >= keptPatterns) compiled.clear();
    compiled.set(pattern, known);
  }
  return known;
}

/** Whether the pattern occurs in the text. */
export function matchesPattern(pattern: string, text: string): boolean {
  return compileRegularExpression(pattern).matcher(text).find();
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
