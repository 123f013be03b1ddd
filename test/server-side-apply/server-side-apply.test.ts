/** Server-side apply held against upstream's merge library, over random types, objects and managers. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { histories, type Type } from './histories.ts';
import { type Oracle, startOracle } from './oracle.ts';
import { type Outcome, replay } from './replay.ts';

let oracle: Oracle;
beforeAll(() => {
  oracle = startOracle();
});
afterAll(() => oracle.stop());

const isExact = process.env.SERVER_SIDE_APPLY_ORACLE !== undefined;

/** Debian's version tells deep fields in conflict wrongly, of which its own later versions speak: there, only their owners count. */
const conflictsOf = ({ conflicts = {} }: Outcome) => (isExact ? conflicts : Object.keys(conflicts).sort());

/**
 * The library leaves null where a container lost all it had, which decoding then drops. Debian's version of it puts the items of
 * merged lists into another order than later ones: they are compared as sets.
 */
function normal(type: Type, value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map((item) => normal(type.is === 'list' ? type.item : { is: 'any' }, item));
    if (isExact || type.is !== 'list' || type.merged === 'atomic') return items;
    return items.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  }
  if (typeof value !== 'object' || value === null) return value;
  const typeOfField = (name: string) =>
    (type.is === 'map' ? type.value : type.is === 'struct' ? type.fields[name] : undefined) ?? { is: 'any' };
  const entries = Object.entries(value).filter(([, item]) => item !== null);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, item]) => [name, normal(typeOfField(name), item)]));
}

it('agrees with the merge library on objects, owners and conflicts', async () => {
  const comparable = (type: Type, outcomes: Outcome[]) =>
    outcomes.map((outcome) => ({
      object: normal(type, outcome.object),
      managers: outcome.managers,
      conflicts: conflictsOf(outcome),
      failed: outcome.error !== undefined,
    }));
  await fc.assert(
    fc.asyncProperty(histories, async (history) => {
      const theirs = await oracle.ask(history);
      expect(comparable(history.type, replay(history))).toEqual(comparable(history.type, theirs));
    }),
    { numRuns: Number(process.env.SERVER_SIDE_APPLY_RUNS ?? 1000) },
  );
}, 120_000);
