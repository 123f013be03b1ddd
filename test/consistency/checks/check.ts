/** Everything that can be said against a history. None: what was answered is what a single, consistent store could have answered. */
import type { History } from '../history.ts';
import { knownRevisions } from './known.ts';
import { checkReads } from './reads.ts';
import { checkRegisters } from './register.ts';
import { buildTimeline, type Timeline } from './timeline.ts';
import type { Violation } from './violation.ts';
import { checkWatches } from './watches.ts';
import { attributeWrites, checkWrites } from './writes.ts';

export interface Findings {
  violations: Violation[];
  timeline: Timeline;
}

export function checkHistory(history: History): Findings {
  const { timeline, violations } = buildTimeline(history);
  const writes = attributeWrites(history, timeline);
  const known = knownRevisions(history, (operation) => (writes.eventOf(operation) ?? writes.deletionsOf(operation).at(0))?.revision);
  return {
    timeline,
    violations: [
      ...violations,
      ...checkWrites(history, timeline, writes, known),
      ...checkRegisters(history, timeline, writes),
      ...checkReads(history, timeline, known),
      ...checkWatches(history, timeline, known),
    ],
  };
}
