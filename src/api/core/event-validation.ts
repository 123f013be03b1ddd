/** Validation of an event, which depends on the version that it comes in (upstream: pkg/apis/core/validation/events.go). */
import { type FieldErrors, FieldPath } from '../fields.ts';
import type { Event } from '../generated/core.v1.ts';
import { byteLength, isDns1123Subdomain, isQualifiedName, nameIsDnsSubdomain } from '../names.ts';
import { validateImmutable } from '../object-meta.ts';
import { reject } from './checks.ts';

const at = (...names: string[]) => new FieldPath().child(...names);

/** The event's place is that of what it is about; events about what has no namespace are in `default`. */
function validateNamespace(event: Event, errors: FieldErrors): void {
  const place = event.metadata.namespace ?? '';
  const namespace = event.involvedObject?.namespace ?? '';
  // In the new form an event may be about something elsewhere, and kube-system's components may stay at home.
  const homes = event.eventTime ? ['default', 'kube-system'] : ['', 'default'];
  const agrees = namespace === '' ? homes.includes(place) : Boolean(event.eventTime) || namespace === place;
  if (!agrees) errors.invalid(at('involvedObject', 'namespace'), namespace, 'does not match event.namespace');
}

/** Rules of events in the new form, which have an eventTime. */
function validateNewForm(event: Event, controllerField: string, errors: FieldErrors): void {
  const { reportingComponent = '', message = '' } = event;
  const controller = at(controllerField);
  if (reportingComponent === '') errors.required(controller);
  reject(errors, controller, reportingComponent, isQualifiedName(reportingComponent));
  for (const field of ['reportingInstance', 'action', 'reason'] as const) {
    const value = event[field] ?? '';
    if (value === '') errors.required(at(field));
    if (byteLength(value) > 128) errors.invalid(at(field), '', 'can have at most 128 characters');
  }
  if (byteLength(message) > 1024) errors.invalid(at('message'), '', 'can have at most 1024 characters');
}

/** What goes for events in every version. */
export function validateEvent(event: Event, controllerField: string, errors: FieldErrors): void {
  const { namespace = '' } = event.metadata;
  validateNamespace(event, errors);
  if (event.eventTime) validateNewForm(event, controllerField, errors);
  reject(errors, at('namespace'), namespace, isDns1123Subdomain(namespace));
}

function validateSeries({ series }: Event, errors: FieldErrors): void {
  if (!series) return;
  if ((series.count ?? 0) < 2) errors.invalid(at('series.count'), '', 'should be at least 2');
  if (!series.lastObservedTime) errors.required(at('series.lastObservedTime'));
}

/** What events.k8s.io/v1 asks of a new event beside. */
export function validateStrictly(event: Event, errors: FieldErrors): void {
  const { metadata, eventTime, type = '', source } = event;
  validateEvent(event, 'reportingController', errors);
  if (metadata.name) reject(errors, at('metadata', 'name'), metadata.name, nameIsDnsSubdomain(metadata.name, false));
  else errors.required(at('metadata', 'name'), 'name or generateName is required');
  validateSeries(event, errors);
  if (!eventTime) errors.required(at('eventTime'));
  if (type !== 'Normal' && type !== 'Warning') errors.invalid(at('type'), '', `has invalid value: ${type}`);
  for (const field of ['firstTimestamp', 'lastTimestamp', 'count'] as const)
    if (event[field]) errors.invalid(at(field), '', 'needs to be unset');
  if (source?.component || source?.host) errors.invalid(at('source'), '', 'needs to be unset');
}

const reference = 'core.v1.ObjectReference';
const microseconds = (time: string | undefined) => (time ?? '').replace(/(\.\d{6})\d+/, '$1');

/** What events.k8s.io/v1 lets change: the series, and metadata. */
export function validateStrictUpdate(next: Event, prev: Event, errors: FieldErrors): void {
  validateEvent(next, 'reportingController', errors);
  if (JSON.stringify(next.series) !== JSON.stringify(prev.series)) validateSeries(next, errors);
  const same = (field: string, now: unknown, before: unknown, type?: string) => validateImmutable(now, before, at(field), errors, type);
  same('involvedObject', next.involvedObject, prev.involvedObject, reference);
  for (const field of ['reason', 'message'] as const) same(field, next[field] ?? '', prev[field] ?? '');
  same('source', next.source ?? {}, prev.source ?? {}, 'core.v1.EventSource');
  for (const field of ['firstTimestamp', 'lastTimestamp'] as const) same(field, next[field], prev[field]);
  same('count', next.count ?? 0, prev.count ?? 0);
  same('type', next.type ?? '', prev.type ?? '');
  if (microseconds(next.eventTime) !== microseconds(prev.eventTime)) same('eventTime', next.eventTime, prev.eventTime);
  same('action', next.action ?? '', prev.action ?? '');
  same('related', next.related, prev.related, reference);
  same('reportingController', next.reportingComponent ?? '', prev.reportingComponent ?? '');
  same('reportingInstance', next.reportingInstance ?? '', prev.reportingInstance ?? '');
}
