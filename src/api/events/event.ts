/**
 * Events as events.k8s.io serves them: the core group's events under other names. Both are stored as core events, so that what a
 * component writes through one group is read through the other (KEP-383).
 */
import { eventFields } from '../core/event-fields.ts';
import { validateEvent, validateStrictly, validateStrictUpdate } from '../core/event-validation.ts';
import type { FieldErrors } from '../fields.ts';
import { Event as CoreEvent } from '../generated/core.v1.ts';
import { Event } from '../generated/events.v1.ts';
import * as v1beta1 from '../generated/events.v1beta1.ts';
import type { ServedVersion } from '../kind.ts';
import { type Conversion, convertedVersion } from '../served-version.ts';

/** The object with the keys of `names` renamed; keys without a value are left out. */
function rename(object: object, names: Readonly<Record<string, string>>): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(object)) if (value !== undefined) out[names[key] ?? key] = value;
  return out;
}

const coreNames: Readonly<Record<string, string>> = {
  regarding: 'involvedObject',
  note: 'message',
  reportingController: 'reportingComponent',
  deprecatedSource: 'source',
  deprecatedFirstTimestamp: 'firstTimestamp',
  deprecatedLastTimestamp: 'lastTimestamp',
  deprecatedCount: 'count',
};
const eventsNames = Object.fromEntries(Object.entries(coreNames).map(([a, b]) => [b, a]));

const conversion: Conversion<Event, CoreEvent> = {
  // The renamed object has the other type's fields.
  toStorage: (event) => ({ involvedObject: {}, ...rename(event, coreNames) }) as unknown as CoreEvent,
  fromStorage: (event) => rename(event, eventsNames) as unknown as Event,
};

/** The core group's, by the names that the fields have here; the source has kept its own. */
const fieldSelectors = Object.fromEntries(
  Object.entries(eventFields).map(([field, read]) => [
    field.replace(/^involvedObject\./, 'regarding.').replace(/^reportingComponent$/, 'reportingController'),
    read,
  ]),
);

export const eventsV1: ServedVersion<CoreEvent> = {
  ...convertedVersion(Event, CoreEvent, conversion),
  overrides: { fieldSelectors, validateCreate: validateStrictly, validateUpdate: validateStrictUpdate },
};
const asBefore = (event: CoreEvent, errors: FieldErrors) => validateEvent(event, 'reportingController', errors);
export const eventsV1beta1: ServedVersion<CoreEvent> = {
  ...convertedVersion(v1beta1.Event, CoreEvent, conversion),
  overrides: { fieldSelectors, validateCreate: asBefore, validateUpdate: (next, _prev, errors) => asBefore(next, errors) },
};
