import { eventsV1, eventsV1beta1 } from '../events/event.ts';
import { Event } from '../generated/core.v1.ts';
import { defineKind } from '../kind.ts';
import { nameIsPathSegment } from '../names.ts';
import { fieldDoc, nameColumn, translateTimestampSince } from '../printing.ts';
import { eventFields } from './event-fields.ts';
import { validateEvent } from './event-validation.ts';

/** Where an event came from, as `kubelet, node-1`. */
function sourceOf(event: Event): string {
  const component = event.source?.component || event.reportingComponent || '';
  const host = event.source?.host || event.reportingInstance || '';
  return host ? `${component}, ${host}` : component;
}

function seenAt(event: Event, which: 'first' | 'last'): string | undefined {
  if (which === 'last' && event.series) return event.series.lastObservedTime;
  return (which === 'last' && event.lastTimestamp) || event.firstTimestamp || event.eventTime;
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
      description: fieldDoc('core.v1.Event.lastTimestamp'),
      value: (event, nowMs) => translateTimestampSince(seenAt(event, 'last'), nowMs),
    },
    {
      name: 'Type',
      description: fieldDoc('core.v1.Event.type'),
      value: ({ type }) => type ?? '',
    },
    {
      name: 'Reason',
      description: fieldDoc('core.v1.Event.reason'),
      value: ({ reason }) => reason ?? '',
    },
    {
      name: 'Object',
      description: fieldDoc('core.v1.Event.involvedObject'),
      value: ({ involvedObject }) => {
        const kind = (involvedObject?.kind ?? '').toLowerCase();
        return involvedObject?.name ? `${kind}/${involvedObject.name}` : kind;
      },
    },
    {
      name: 'Subobject',
      priority: 1,
      description: fieldDoc('core.v1.ObjectReference.fieldPath'),
      value: ({ involvedObject }) => involvedObject?.fieldPath ?? '',
    },
    { name: 'Source', priority: 1, description: fieldDoc('core.v1.Event.source'), value: sourceOf },
    {
      name: 'Message',
      description: fieldDoc('core.v1.Event.message'),
      value: ({ message }) => (message ?? '').trim(),
    },
    {
      name: 'First Seen',
      priority: 1,
      description: fieldDoc('core.v1.Event.firstTimestamp'),
      value: (event, nowMs) => translateTimestampSince(seenAt(event, 'first'), nowMs),
    },
    {
      name: 'Count',
      priority: 1,
      description: fieldDoc('core.v1.Event.count'),
      value: ({ count, series }) => (series ? (series.count ?? 0) : count || 1),
    },
    { ...nameColumn, priority: 1 },
  ],
});
