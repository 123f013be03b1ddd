/** Gets and lists against the timeline: as new as was asked for, never of the future, each list one moment of the whole. */
import type { History, Operation } from '../history.ts';
import type { Known } from './known.ts';
import { countUntil, describeState, type Timeline } from './timeline.ts';
import type { Violation } from './violation.ts';

export function checkReads(history: History, timeline: Timeline, known: Known): Violation[] {
  const byId = new Map(history.operations.map((operation) => [operation.id, operation]));
  const violations: Violation[] = [];
  for (const operation of history.operations) {
    const found =
      operation.call.verb === 'get'
        ? getProblem(operation, timeline, known)
        : operation.call.verb === 'list'
          ? operation.list
            ? listProblem(operation, byId, timeline, known)
            : expiryProblem(operation, byId, history)
          : undefined;
    if (found) violations.push(found);
  }
  return violations;
}

/** The least revision that the answer may be of, and who says so. */
function oldest(version: string, operation: Operation, known: Known): { revision: number; by: Operation | undefined } {
  return version === '' ? known.floor(operation.invokedAt) : { revision: Number(version), by: undefined };
}

const problem = (promise: string, what: string, ...operations: (Operation | undefined)[]): Violation => ({
  promise,
  what,
  operations: operations.filter((operation) => operation !== undefined),
});

function getProblem(operation: Operation, timeline: Timeline, known: Known): Violation | undefined {
  const { call, state, outcome, status } = operation;
  if (call.verb !== 'get' || !(outcome === 'done' || (outcome === 'refused' && status === 404))) return undefined;
  const from = oldest(call.version, operation, known);
  const past = timeline.eventsOf(call.key);
  if (state) {
    const was = timeline.eventAt(state.revision);
    if (timeline.knows(state.revision, state.revision) && (was?.key !== call.key || was.state?.value !== state.value))
      return problem('nothing comes from nowhere', `${call.key} was read as ${describeState(state)}, which it never was`, operation);
    const next = past[countUntil(past, state.revision)];
    if (!next || next.revision > from.revision || !timeline.knows(state.revision, next.revision)) return undefined;
    const what = `${call.key} was read as ${describeState(state)} when revision ${from.revision} was there and revision ${next.revision} had replaced it`;
    return problem(call.version === '' ? 'reads of the most recent are' : 'reads are not older than asked for', what, from.by, operation);
  }
  const to = Math.min(known.ceiling(operation.answeredAt).revision - 1, timeline.end);
  const first = countUntil(past, from.revision);
  const present = past[first - 1];
  if (!present?.state || !timeline.knows(present.revision, to)) return undefined;
  for (const event of past.slice(first)) if (event.revision <= to && !event.state) return undefined;
  const what = `${call.key} was not found though it was there from revision ${present.revision} to after ${to}`;
  return problem('reads of the most recent are', what, from.by, operation);
}

function listProblem(operation: Operation, byId: ReadonlyMap<number, Operation>, timeline: Timeline, known: Known): Violation | undefined {
  const { call, list } = operation;
  if (call.verb !== 'list' || !list) return undefined;
  const { revision } = list;
  const before = call.continues === undefined ? undefined : byId.get(call.continues);
  if (before?.list && !call.afresh) {
    if (before.list.revision !== revision)
      return problem(
        'pages are of one moment',
        `a page is of revision ${revision}, the one before it of ${before.list.revision}`,
        before,
        operation,
      );
  } else if (!call.afresh && isExact(call)) {
    if (revision !== Number(call.version))
      return problem('exact lists are', `revision ${call.version} was asked for and ${revision} answered`, operation);
  } else {
    const from = oldest(call.afresh ? '' : call.version, operation, known);
    if (revision < from.revision)
      return problem(
        'lists are not older than asked for',
        `a list is of revision ${revision} when ${from.revision} was there`,
        from.by,
        operation,
      );
  }
  const ceiling = known.ceiling(operation.answeredAt);
  if (revision >= ceiling.revision)
    return problem(
      'nothing comes from the future',
      `a list was of revision ${revision} before ${ceiling.revision} was asked for`,
      operation,
      ceiling.by,
    );
  if (!timeline.knows(1, Math.min(revision, timeline.end))) return undefined;
  return contentProblem(operation, before, timeline);
}

const isExact = ({ match, limit, version }: Extract<Operation['call'], { verb: 'list' }>) =>
  match === 'Exact' || (limit !== undefined && Number(version) > 0 && match === undefined);

/** 410 is for what was compacted. */
function expiryProblem(operation: Operation, byId: ReadonlyMap<number, Operation>, history: History): Violation | undefined {
  const { call, status, answeredAt } = operation;
  if (call.verb !== 'list' || status !== 410) return undefined;
  const revision = byId.get(call.continues ?? -1)?.list?.revision ?? Number(call.version);
  if (!call.afresh && history.incidents.some(({ compacted, at }) => compacted && compacted > revision && at < answeredAt)) return undefined;
  return problem('what is kept is answered', `a list of revision ${revision} was refused though nothing of it was given up`, operation);
}

/** Where a page begins: after this key. Others' objects come after all of ours, so a page with room for more of ours has ended among them. */
function startOf(before: Operation | undefined): string {
  if (before?.call.verb !== 'list' || !before.list) return '';
  const { items } = before.list;
  return items.length < (before.call.limit ?? 0) ? afterAll : (items.at(-1)?.key ?? '');
}

/** After every key. */
const afterAll = '\uffff';

/** What a list must have: everything that was there, or its part of it. */
function contentProblem(operation: Operation, before: Operation | undefined, timeline: Timeline): Violation | undefined {
  const { call, list } = operation;
  if (call.verb !== 'list' || !list) return undefined;
  const { revision, items, more } = list;
  const after = startOf(before);
  const all = [...timeline.keys()]
    .filter((key) => key > after && (!call.namespace || key.startsWith(`${call.namespace}/`)))
    .flatMap((key) => {
      const state = timeline.at(key, revision);
      return state && (!call.color || state.color === call.color) ? [{ key, state }] : [];
    })
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  const expected = more ? all.slice(0, items.length) : all;
  const fault = (what: string) => problem('lists are of one moment', `a list of revision ${revision} ${what}`, before, operation);
  for (let i = 0; i < Math.max(items.length, expected.length); i++) {
    const [item, wanted] = [items[i], expected[i]];
    if (
      item &&
      wanted &&
      item.key === wanted.key &&
      item.state.revision === wanted.state.revision &&
      item.state.value === wanted.state.value
    )
      continue;
    if (item && wanted && item.key === wanted.key)
      return fault(`has ${item.key} as ${describeState(item.state)}; it was ${describeState(wanted.state)}`);
    if (item && (!wanted || item.key < wanted.key)) return fault(`has ${item.key} as ${describeState(item.state)}; it was not there`);
    return fault(`lacks ${wanted?.key}, which was ${describeState(wanted?.state)}`);
  }
  // Lists of all namespaces have others' objects, too; with a selector nobody has looked whether there is another that fits.
  if (more && call.namespace && !call.color && all.length === items.length) return fault('promises further pages; there is nothing more');
  if (list.remaining !== undefined && list.remaining !== all.length - items.length)
    return fault(`says that ${list.remaining} remain; ${all.length - items.length} do`);
  return undefined;
}
