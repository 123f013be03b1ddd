/** Findings in words. */
import type { History, Operation, WatchSession } from '../history.ts';
import type { Findings } from './check.ts';
import { describeState } from './timeline.ts';
import type { Violation } from './violation.ts';
import { describeWatch } from './watches.ts';

const shown = 8;

export function describeViolation({ promise, what, operations, watches = [] }: Violation): string {
  const lines = operations.slice(-12).map((operation) => `    ${describeOperation(operation)}`);
  return [`  ${promise}: ${what}`, ...lines, ...watches.flatMap(lastEvents)].join('\n');
}

export function describeOperation(operation: Operation): string {
  const { id, call, invokedAt, answeredAt, client, server, outcome, status, state, list, uid, deleted } = operation;
  const { verb, ...rest } = call;
  const asked = Object.entries(rest)
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([name, value]) => (name === 'key' ? value : `${name}=${value}`))
    .join(' ');
  const answer = state
    ? describeState(state)
    : list
      ? `revision ${list.revision}, ${list.items.length} items${list.more ? ' and more' : ''}`
      : (uid ?? deleted?.map((item) => item.key).join(' ') ?? operation.message?.slice(0, 120) ?? '');
  const time = `${invokedAt.toFixed(1)}–${Number.isFinite(answeredAt) ? answeredAt.toFixed(1) : '?'} ms`;
  return `#${id} ${time} ${client}→${server}: ${verb} ${asked} = ${outcome}${status ? ` ${status}` : ''} ${answer}`;
}

function lastEvents(watch: WatchSession): string[] {
  const { events } = watch;
  return [
    `    ${describeWatch(watch)}: ${events.length} events, ${watch.end}${watch.message ? ` (${watch.message})` : ''}`,
    ...events.slice(-5).map((e) => `      ${e.at.toFixed(1)} ms ${e.type} ${e.key ?? ''} revision ${e.revision} ${e.state?.value ?? ''}`),
  ];
}

export function describeFindings(history: History, { violations, timeline }: Findings): string {
  const { engine, seed, seconds } = history.head;
  const counts = new Map<string, number>();
  for (const { outcome } of history.operations) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  const told = history.watches.reduce((sum, watch) => sum + watch.events.length, 0);
  const unseen = timeline.gaps.reduce((sum, gap) => sum + gap.to - gap.from + 1, 0);
  const summary = [
    `${engine}, seed ${seed}, ${seconds} s: ${history.operations.length} requests (${[...counts].map(([what, n]) => `${n} ${what}`).join(', ')})`,
    `${timeline.events.length} changes, ${history.watches.length} watches with ${told} events`,
    `${history.incidents.filter((incident) => incident.is === 'fault').length} faults${unseen > 0 ? `, ${unseen} revisions unseen` : ''}`,
  ].join('; ');
  if (violations.length === 0) return `${summary}: consistent`;
  const more = violations.length > shown ? [`  ... and ${violations.length - shown} more`] : [];
  return [`${summary}: ${violations.length} VIOLATIONS`, ...violations.slice(0, shown).map(describeViolation), ...more].join('\n');
}
