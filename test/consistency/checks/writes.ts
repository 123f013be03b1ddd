/** Writes against the timeline: what was answered happened, once, as asked, after what came before; what was refused did not happen. */
import type { History, Operation } from '../history.ts';
import type { Known } from './known.ts';
import { describeState, type Timeline, type TimelineEvent } from './timeline.ts';
import type { Violation } from './violation.ts';

export interface Writes {
  /** The event that a write became; undefined where it did not happen, or nobody knows. */
  eventOf(operation: Operation): TimelineEvent | undefined;
  /** Deletions, by those who were told of them; `deletecollection` has several. */
  deletionsOf(operation: Operation): readonly TimelineEvent[];
  /** Deletions that nobody was told of: some unanswered request did them. */
  orphans: readonly TimelineEvent[];
}

export const writtenValue = ({ call }: Operation): string | undefined => ('value' in call ? call.value : undefined);

const isDelete = ({ call }: Operation) => call.verb === 'delete' || call.verb === 'deletecollection';

/** Whether the request, which was not answered with success, may have deleted this. */
export function mayHaveDeleted({ call, outcome }: Operation, { key }: TimelineEvent): boolean {
  // A collection that was refused half way has deleted the first half.
  if (call.verb === 'deletecollection') return outcome !== 'failed' && key.startsWith(`${call.namespace}/`);
  return call.verb === 'delete' && outcome === 'unknown' && call.key === key;
}

export function attributeWrites(history: History, timeline: Timeline): Writes {
  const byValue = new Map<string, TimelineEvent>();
  const deletions = new Map<string, TimelineEvent>();
  for (const event of timeline.events) {
    if (event.state && !byValue.has(event.state.value)) byValue.set(event.state.value, event);
    if (!event.state && event.before) deletions.set(event.before.uid, event);
  }
  const orphans = new Set(deletions.values());
  const ofOperation = new Map<Operation, TimelineEvent[]>();
  for (const operation of history.operations) {
    if (!isDelete(operation) || operation.outcome !== 'done') continue;
    const uids = operation.uid ? [operation.uid] : (operation.deleted?.map((item) => item.uid) ?? []);
    const found = uids.flatMap((uid) => deletions.get(uid) ?? []);
    for (const event of found) orphans.delete(event);
    ofOperation.set(operation, found);
  }
  return {
    eventOf: (operation) => byValue.get(writtenValue(operation) ?? ''),
    deletionsOf: (operation) => ofOperation.get(operation) ?? [],
    orphans: [...orphans],
  };
}

export function checkWrites(history: History, timeline: Timeline, writes: Writes, known: Known): Violation[] {
  const violations: Violation[] = [];
  const report = (promise: string, what: string, ...operations: (Operation | undefined)[]) =>
    violations.push({ promise, what, operations: operations.filter((operation) => operation !== undefined) });

  const writers = new Map<string, Operation>();
  for (const operation of history.operations) {
    const value = writtenValue(operation);
    if (value !== undefined) writers.set(value, operation);
    const event = writes.eventOf(operation);
    if (value === undefined) {
      if (operation.call.verb === 'delete' && operation.outcome === 'done') {
        const [deletion] = writes.deletionsOf(operation);
        if (deletion) checkOrder(operation, deletion.revision);
        else if (
          timeline.knows(
            known.floor(operation.invokedAt).revision + 1,
            Math.min(known.ceiling(operation.answeredAt).revision - 1, timeline.end),
          )
        )
          report('answered writes are kept', `the deletion of ${operation.call.key} was answered but never happened`, operation);
      }
      continue;
    }
    if (operation.outcome === 'done') checkDone(operation, event);
    else if (event && operation.outcome !== 'unknown')
      report('refused writes do not happen', `${value} was refused, yet it was there at revision ${event.revision}`, operation);
    else if (event) checkOrder(operation, event.revision);
  }

  function checkDone(operation: Operation, event: TimelineEvent | undefined): void {
    const { call, state } = operation;
    if (!state || !('value' in call)) return;
    if (state.value !== call.value || ('color' in call && state.color !== call.color))
      report('writes do what they say', `the answer has ${describeState(state)} where ${call.value} was written`, operation);
    if (!event) {
      if (timeline.knows(state.revision, state.revision))
        report('answered writes are kept', `${call.value} was answered with revision ${state.revision}, which nobody saw`, operation);
      return;
    }
    if (event.revision !== state.revision)
      report('answered writes are kept', `${call.value} was answered with revision ${state.revision} but has ${event.revision}`, operation);
    checkOrder(operation, event.revision);
  }

  function checkOrder(operation: Operation, revision: number): void {
    const floor = known.floor(operation.invokedAt);
    if (revision > floor.revision) return;
    const why = `revision ${floor.revision} was known before a write was asked for that became revision ${revision}`;
    report('revisions follow real time', why, floor.by, operation);
  }

  const values = new Set<string>();
  for (const { state, key, revision } of timeline.events) {
    if (!state) continue;
    if (!writers.has(state.value)) report('nothing comes from nowhere', `${key} became ${describeState(state)}, which nobody wrote`);
    if (values.has(state.value))
      report('writes happen once', `${state.value} happened again at revision ${revision}`, writers.get(state.value));
    values.add(state.value);
  }
  for (const orphan of writes.orphans) {
    const suspects = history.operations.filter((operation) => mayHaveDeleted(operation, orphan));
    if (suspects.some((operation) => known.floor(operation.invokedAt).revision < orphan.revision)) continue;
    report('nothing comes from nowhere', `${orphan.key} was deleted at revision ${orphan.revision} by nobody`, ...suspects);
  }
  return violations;
}
