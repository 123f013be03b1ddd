import { eventsV1, eventsV1beta1 } from '../events/event.ts';
import { Event } from '../generated/core.v1.ts';
import { defineKind } from '../kind.ts';
import { nameIsPathSegment } from '../names.ts';
import { nameColumn, translateTimestampSince } from '../printing.ts';
import { eventFields } from './event-fields.ts';
import { validateEvent } from './event-validation.ts';

/** Where an event came from, as `kubelet, node-1`. */
function sourceOf(event: Event): string {
  const component = event.source?.component || event.reportingComponent || '';
  const host = event.source?.host || event.reportingInstance || '';
  return host ? `${component}, ${host}` : component;
}

function seenAt(event: Event, which: 'first' | 'last'): string | undefined {
  const legacy = which === 'first' ? event.firstTimestamp : event.lastTimestamp;
  if (which === 'last' && event.series?.lastObservedTime) return event.series.lastObservedTime;
  return legacy || event.eventTime;
}

export const event = defineKind<Event>({
  resource: Event,
  shortNames: ['ev'],
  storagePrefix: 'events',
  versions: [eventsV1, eventsV1beta1],
  allowCreateOnUpdate: true,
  defaults(event) {
    event.source ??= {};
  },
  // The strict rules are of events.k8s.io/v1.
  validateName: nameIsPathSegment,
  validateCreate: (event, errors) => validateEvent(event, 'reportingComponent', errors),
  validateUpdate: (event, _prev, errors) => validateEvent(event, 'reportingComponent', errors),
  fieldSelectors: eventFields,
  columns: [
    {
      name: 'Last Seen',
      description: 'The time at which the most recent occurrence of this event was recorded.',
      value: (event, nowMs) => translateTimestampSince(seenAt(event, 'last'), nowMs),
    },
    {
      name: 'Type',
      description: 'Type of this event (Normal, Warning), new types could be added in the future',
      value: ({ type }) => type ?? '',
    },
    {
      name: 'Reason',
      description:
        "This should be a short, machine understandable string that gives the reason for the transition into the object's current status.",
      value: ({ reason }) => reason ?? '',
    },
    {
      name: 'Object',
      description: 'The object that this event is about.',
      value: ({ involvedObject }) => {
        const kind = (involvedObject?.kind ?? '').toLowerCase();
        return involvedObject?.name ? `${kind}/${involvedObject.name}` : kind;
      },
    },
    {
      name: 'Subobject',
      priority: 1,
      description:
        'If referring to a piece of an object instead of an entire object, this string should contain a valid JSON/Go field access statement.',
      value: ({ involvedObject }) => involvedObject?.fieldPath ?? '',
    },
    { name: 'Source', priority: 1, description: 'The component reporting this event.', value: sourceOf },
    {
      name: 'Message',
      description: 'A human-readable description of the status of this operation.',
      value: ({ message }) => (message ?? '').trim(),
    },
    {
      name: 'First Seen',
      priority: 1,
      description: 'The time at which the event was first recorded. (Time of server receipt is in TypeMeta.)',
      value: (event, nowMs) => translateTimestampSince(seenAt(event, 'first'), nowMs),
    },
    {
      name: 'Count',
      priority: 1,
      description: 'The number of times this event has occurred.',
      value: ({ count, series }) => series?.count ?? (count || 1),
    },
    { ...nameColumn, priority: 1 },
  ],
});
