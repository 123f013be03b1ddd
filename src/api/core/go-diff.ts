/** What changed between two values, as upstream's messages show it: a unified diff of the internal types' indented JSON. */
import { internalForm } from '../internal-form.ts';

const context = 3;
/** Of texts that differ in more than this (lines times lines), one is shown as wholly replaced by the other. */
const maxCompared = 4_000_000;

interface Edit {
  mark: ' ' | '-' | '+';
  text: string;
}

/** The longest common subsequence's edits; removals come before additions. */
function editsOf(before: readonly string[], after: readonly string[]): Edit[] {
  if (before.length * after.length > maxCompared)
    return [...before.map((text) => ({ mark: '-', text }) as const), ...after.map((text) => ({ mark: '+', text }) as const)];
  const width = after.length + 1;
  const common = new Uint32Array((before.length + 1) * width);
  const at = (i: number, j: number) => common[i * width + j] ?? 0;
  for (let i = before.length - 1; i >= 0; i--)
    for (let j = after.length - 1; j >= 0; j--)
      common[i * width + j] = before[i] === after[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  const edits: Edit[] = [];
  let i = 0;
  let j = 0;
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      edits.push({ mark: ' ', text: before[i++] ?? '' });
      j++;
    } else if (i < before.length && (j === after.length || at(i + 1, j) >= at(i, j + 1)))
      edits.push({ mark: '-', text: before[i++] ?? '' });
    else edits.push({ mark: '+', text: after[j++] ?? '' });
  }
  return edits;
}

/** Equal lines at both ends need no comparison, and are most of the two. */
function diffOf(before: readonly string[], after: readonly string[]): Edit[] {
  const shorter = Math.min(before.length, after.length);
  let head = 0;
  while (head < shorter && before[head] === after[head]) head++;
  let tail = 0;
  while (tail < shorter - head && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  const same = (lines: readonly string[]): Edit[] => lines.map((text) => ({ mark: ' ', text }));
  return [
    ...same(before.slice(0, head)),
    ...editsOf(before.slice(head, before.length - tail), after.slice(head, after.length - tail)),
    ...same(before.slice(before.length - tail)),
  ];
}

/** `12,7`: where a hunk begins, and how many lines it has. */
const range = (start: number, length: number) => (length === 1 ? `${start + 1}` : `${length === 0 ? start : start + 1},${length}`);

function hunk(edits: readonly Edit[], start: number, end: number): string {
  const count = (part: readonly Edit[], other: '-' | '+') => part.filter(({ mark }) => mark !== other).length;
  const before = edits.slice(0, start);
  const within = edits.slice(start, end);
  const [from, to] = [range(count(before, '+'), count(within, '+')), range(count(before, '-'), count(within, '-'))];
  return `@@ -${from} +${to} @@\n${within.map(({ mark, text }) => `${mark}${text}\n`).join('')}`;
}

function unifiedDiff(before: string, after: string): string {
  const edits = diffOf(before.split('\n'), after.split('\n'));
  let text = '';
  let start = -1;
  let end = -1;
  for (const [i, { mark }] of edits.entries()) {
    if (mark === ' ') continue;
    if (start >= 0 && i - context > end) {
      text += hunk(edits, start, end);
      start = -1;
    }
    if (start < 0) start = Math.max(0, i - context);
    end = Math.min(edits.length, i + context + 1);
  }
  return start < 0 ? text : text + hunk(edits, start, end);
}

/** How `next` differs from `prev`, both of the table's type `typeName` (`core.v1.PodSpec`), in all or some of its fields; empty where it doesn't. */
export function goDiff(typeName: string, prev: unknown, next: unknown, fields?: readonly string[]): string {
  const text = (value: unknown) => JSON.stringify(internalForm(typeName, value, fields), null, 1);
  return unifiedDiff(text(prev), text(next));
}
