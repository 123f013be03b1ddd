/**
 * What is wrong with constants although their types fit: patterns, times, formats, lists and maps of several types
 * (google/cel-go/cel/validator.go, ext/formatting.go).
 */
import { patternProblem } from '../regular-expression.ts';
import { type Call, type CelNode, childrenOf } from './expression-tree.ts';
import type { SourceProblem } from './source.ts';
import { clauseProblem, parseFormat } from './string-format.ts';
import { parseDuration, parseTimestamp, timestampOfSeconds } from './times.ts';
import { dynType, formatType, sameType } from './types.ts';
import { CelError } from './values.ts';

const readers: Readonly<Record<string, (text: string | bigint) => boolean>> = {
  duration: (text) => typeof text !== 'string' || parseDuration(text) !== undefined,
  timestamp(given) {
    try {
      return (typeof given === 'string' ? parseTimestamp(given) : timestampOfSeconds(given)) !== undefined;
    } catch (error) {
      if (error instanceof CelError) return false;
      throw error;
    }
  },
  matches: (text) => typeof text !== 'string' || patternProblem(text) === undefined,
};

function checkText({ resolved, args }: Call, problems: SourceProblem[]): void {
  const name = resolved?.name ?? '';
  const isGood = Object.hasOwn(readers, name) ? readers[name] : undefined;
  const [first] = args;
  if (!isGood || first?.kind !== 'literal') return;
  const { value } = first;
  if ((typeof value === 'string' || typeof value === 'bigint') && !isGood(value))
    problems.push({ at: first.at, message: `invalid ${name} argument` });
}

/** A part of a list or map that can't be written. */
function badPart(node: CelNode): CelNode | undefined {
  for (const part of childrenOf(node)) {
    const type = part.type ?? dynType;
    if (type.kind === 'opaque' || type.kind === 'struct') return part;
    const below = part.kind === 'list' || part.kind === 'map' ? badPart(part) : undefined;
    if (below) return below;
  }
  return undefined;
}

function checkFormat({ at, target, args, resolved }: Call, problems: SourceProblem[]): void {
  const [list] = args;
  if (resolved?.name !== 'format' || target?.kind !== 'literal' || typeof target.value !== 'string' || list?.kind !== 'list') return;
  try {
    const clauses = parseFormat(target.value, list.items.length, true).filter((part) => typeof part !== 'string');
    for (const { clause, index } of clauses) {
      const item = list.items[index]?.value;
      if (!item) continue;
      const isDeep = clause.takes.includes('list') && (item.kind === 'list' || item.kind === 'map');
      const bad = isDeep ? badPart(item) : item;
      const type = bad?.type ?? dynType;
      const problem = bad && clauseProblem(clause, type.kind, type.name);
      if (bad && problem !== undefined) {
        problems.push({ at: bad.at, message: problem });
        return;
      }
    }
    if (clauses.length < list.items.length) {
      const message = `too many arguments supplied to string.format (expected ${clauses.length}, got ${list.items.length})`;
      problems.push({ at, message });
    }
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    problems.push({ at, message: error.message });
  }
}

/** Items of one list or map are of one type, even if each may be anything. */
function checkSameType(nodes: readonly CelNode[], problems: SourceProblem[]): void {
  const [first] = nodes;
  const wrong = nodes.find(({ type }) => !sameType(type ?? dynType, first?.type ?? dynType));
  if (wrong)
    problems.push({
      at: wrong.at,
      message: `expected type '${formatType(first?.type ?? dynType)}' but found '${formatType(wrong.type ?? dynType)}'`,
    });
}

/** Values that are only written into a text may be of any types. */
const takesAnyTypes = (node: CelNode) => node.kind === 'call' && node.name === 'format';

/** Checks a tree whose types are known to fit. */
export function checkLiterals(root: CelNode): readonly SourceProblem[] {
  const problems: SourceProblem[] = [];
  const visit = (node: CelNode, isExempt: boolean): void => {
    if (node.kind === 'call') {
      checkText(node, problems);
      checkFormat(node, problems);
    } else if (node.kind === 'list' && !isExempt)
      checkSameType(
        node.items.filter((item) => !item.isOptional).map((item) => item.value),
        problems,
      );
    else if (node.kind === 'map' && !isExempt) {
      checkSameType(
        node.entries.map((entry) => entry.key),
        problems,
      );
      checkSameType(
        node.entries.filter((entry) => !entry.isOptional).map((entry) => entry.value),
        problems,
      );
    }
    for (const child of childrenOf(node)) visit(child, isExempt || takesAnyTypes(node));
  };
  visit(root, false);
  return problems;
}
