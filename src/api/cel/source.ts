/** An expression's text, and messages about places in it as upstream draws them (google/cel-go/common/error.go). */

export interface SourceProblem {
  /** UTF-16 units from the start; undefined for what is wrong with no place in particular. */
  readonly at: number | undefined;
  readonly message: string;
}

const maxProblems = 100;
const maxSnippetLength = 16_384;

interface Position {
  line: number;
  /** Characters from the start of the line. */
  column: number;
  text: string;
}

function positionIn(source: string, at: number): Position {
  const before = source.slice(0, at);
  const start = before.lastIndexOf('\n') + 1;
  const end = source.indexOf('\n', start);
  return {
    line: before.split('\n').length,
    column: [...before.slice(start)].length,
    text: source.slice(start, end < 0 ? undefined : end),
  };
}

const byteLength = (character: string) => new TextEncoder().encode(character).length;

function display(source: string, { at, message }: SourceProblem): string {
  if (at === undefined) return `ERROR: <input>:-1:0: ${message}`;
  const { line, column, text } = positionIn(source, at);
  // An expression of nothing has no line to show.
  if (source === '') return `ERROR: <input>:1:0: ${message}`;
  const head = `ERROR: <input>:${line}:${column + 1}: ${message}`;
  if (byteLength(text) > maxSnippetLength) return head;
  const snippet = text.replaceAll('\t', ' ');
  const characters = [...snippet];
  // Characters of several bytes are taken for wide ones.
  const wide = (i: number) => byteLength(characters[i] ?? '') > 1;
  const dots = characters.slice(0, column).map((_, i) => (wide(i) ? '．' : '.'));
  return `${head}\n | ${snippet}\n | ${dots.join('')}${wide(column) ? '＾' : '^'}`;
}

/** All that is wrong with an expression, in the order of places. */
export function displayProblems(source: string, problems: readonly SourceProblem[]): string {
  const shown = problems.slice(0, maxProblems).toSorted((a, b) => (a.at ?? -1) - (b.at ?? -1));
  const lines = shown.map((problem) => display(source, problem));
  if (problems.length > maxProblems) lines.push(`${problems.length - maxProblems} more errors were truncated`);
  return lines.join('\n');
}
