/** From an answer in the storage version to the form that the client asked for: its version, a Table, or metadata only. */
import { defaultColumns, errors, type KubeObject, StatusError, type Table } from '../../api/index.ts';
import type { Answer, AnswerEvent, Item, RequestContext } from '../exchange.ts';
import { type ServedResource, toServed } from '../registry/served-resource.ts';
import type { Representation } from './accept.ts';

type As = NonNullable<Representation['as']>;

/** An item in the version at hand; in the storage version the item itself, with its bytes. */
function served(resource: ServedResource, item: Item): Item {
  return resource.version === undefined ? item : { object: toServed(resource, item.object) };
}

function partial(object: KubeObject, as: As): object {
  return { kind: 'PartialObjectMetadata', apiVersion: `meta.k8s.io/${as.version}`, metadata: object.metadata };
}

function columnDefinitions(resource: ServedResource): Table['columnDefinitions'] {
  return (resource.kind.columns ?? defaultColumns).map((column) => ({
    name: column.name,
    type: column.type ?? 'string',
    format: column.format ?? (column.name === 'Name' ? 'name' : ''),
    description: column.description ?? '',
    priority: column.priority ?? 0,
  }));
}

type IncludeObject = 'None' | 'Metadata' | 'Object';

function includeObject(context: RequestContext): IncludeObject {
  const value = context.query.get('includeObject') ?? '';
  if (value === '') return 'Metadata';
  if (value === 'None' || value === 'Metadata' || value === 'Object') return value;
  throw errors.badRequest(
    `Unable to convert to Table as requested: includeObject: Invalid value: ${JSON.stringify(value)}: must be 'Metadata', 'Object', 'None', or empty`,
  );
}

function rows(resource: ServedResource, item: Item, as: As, include: IncludeObject, nowMs: number): Table['rows'] {
  const { kind } = resource;
  const conditions = kind.rowConditions?.(item.object);
  // Columns are written for the storage version.
  const made = kind.table?.(item.object, nowMs) ?? [
    {
      cells: (kind.columns ?? defaultColumns).map((column) => column.value(item.object, nowMs)),
      ...(conditions === undefined ? {} : { conditions }),
    },
  ];
  if (include === 'None') return made.map((row) => ({ ...row, object: null }));
  const shown = served(resource, item).object;
  return made.map((row) => ({ ...row, object: include === 'Object' ? shown : partial(shown, as) }));
}

function table(resource: ServedResource, items: readonly Item[], metadata: object, as: As, context: RequestContext, nowMs: number): Table {
  const include = includeObject(context);
  const { compareRows } = resource.kind;
  const ordered = compareRows ? items.toSorted((a, b) => compareRows(a.object, b.object)) : items;
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${as.version}`,
    metadata,
    columnDefinitions: columnDefinitions(resource),
    rows: ordered.flatMap((item) => rows(resource, item, as, include, nowMs)),
  };
}

/** As Go has the name of what upstream holds in its place: `*core.PodList`. */
const goType = ({ resource, custom }: ServedResource, list: boolean): string => {
  if (custom !== undefined) return `*unstructured.Unstructured${list ? 'List' : ''}`;
  return `*${resource.group.split('.')[0] || 'core'}.${resource.kind}${list ? 'List' : ''}`;
};

const notThatForm = (message: string) => new StatusError(406, 'NotAcceptable', message);

/** The answer in the form that was negotiated. Statuses and what is no API object stay as they are. */
export function present(answer: Answer, { as }: Representation, context: RequestContext, nowMs: number): Answer {
  if (answer.type === 'object') {
    const { resource } = answer;
    if (resource === undefined) return answer;
    const item = answer.item as Item; // what has a resource is an object of it
    if (as?.kind === 'PartialObjectMetadataList')
      throw notThatForm(`you requested PartialObjectMetadataList, but the requested object is not a list (${goType(resource, false)})`);
    if (as === undefined) return resource.version === undefined ? answer : { ...answer, item: served(resource, item) };
    const { resourceVersion } = item.object.metadata;
    const object =
      as.kind === 'Table' ? table(resource, [item], { resourceVersion }, as, context, nowMs) : partial(served(resource, item).object, as);
    return { type: 'object', status: answer.status, item: { object } };
  }
  if (answer.type === 'list') {
    const { resource, items, metadata } = answer;
    if (as === undefined)
      return resource.version === undefined ? answer : { ...answer, items: items.map((item) => served(resource, item)) };
    if (as.kind === 'PartialObjectMetadata')
      throw notThatForm(`you requested PartialObjectMetadata, but the requested object is a list (${goType(resource, true)})`);
    const apiVersion = `meta.k8s.io/${as.version}`;
    const object =
      as.kind === 'Table'
        ? table(resource, items, metadata, as, context, nowMs)
        : {
            kind: 'PartialObjectMetadataList',
            apiVersion,
            metadata,
            items: items.map((item) => partial(served(resource, item).object, as)),
          };
    return { type: 'object', status: 200, item: { object } };
  }
  if (answer.type === 'watch' && (as !== undefined || answer.resource.version !== undefined)) {
    // What can't be done is told before the first event.
    if (as?.kind === 'Table') includeObject(context);
    return { ...answer, events: presentEvents(answer.resource, answer.events, as, context, nowMs) };
  }
  return answer;
}

async function* presentEvents(
  resource: ServedResource,
  events: AsyncIterable<readonly AnswerEvent[]>,
  as: As | undefined,
  context: RequestContext,
  nowMs: number,
): AsyncIterable<readonly AnswerEvent[]> {
  let first = true;
  const presented = (event: AnswerEvent): AnswerEvent => {
    if (event.type === 'ERROR') return event;
    // A bookmark's object has metadata as any other.
    const item = event.item as Item;
    // A bookmark is made in the version at hand.
    if (as === undefined) return event.type === 'BOOKMARK' ? event : { type: event.type, item: served(resource, item) };
    const object =
      as.kind === 'Table' ? eventTable(resource, event.type, item, as, context, nowMs) : partial(served(resource, item).object, as);
    // Columns are told once; a watcher keeps them.
    if (as.kind === 'Table' && !first) Object.assign(object, { columnDefinitions: null });
    first = false;
    return { type: event.type, item: { object: object as unknown as KubeObject } } as AnswerEvent; // a Table or its like, for the encoder only
  };
  for await (const batch of events) yield batch.map(presented);
}

function eventTable(
  resource: ServedResource,
  type: AnswerEvent['type'],
  item: Item,
  as: As,
  context: RequestContext,
  nowMs: number,
): Table {
  const { resourceVersion } = item.object.metadata;
  if (type !== 'BOOKMARK') return table(resource, [item], { resourceVersion }, as, context, nowMs);
  const empty = table(resource, [], { resourceVersion }, as, context, nowMs);
  return { ...empty, rows: [{ cells: [], object: partial(item.object, as) }] };
}
