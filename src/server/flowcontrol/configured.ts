/** The priority levels and flow schemas that hold at the moment, as the API's objects say. */
import {
  type FlowSchema,
  type FlowSchemaSpec,
  mandatoryConfiguration,
  type PriorityLevelConfiguration,
  type PriorityLevelConfigurationSpec,
} from '../../api/index.ts';
import type { Clock } from '../../time/index.ts';
import { DroppedRequests } from './dropped-requests.ts';
import { FlowCounters } from './flow-metrics.ts';
import { compileSchema, type Matches } from './matching.ts';
import { QueueSet, type QueueSetShape } from './queue-set.ts';
import { type SeatLimits, seatLimits, widestOf } from './seat-allocation.ts';
import { createDealer } from './shuffle-sharding.ts';

export interface PriorityLevel {
  readonly name: string;
  uid: string;
  limits: SeatLimits;
  /** The most seats that a request is taken to need; undefined: the level does not say. */
  widest: number | undefined;
  readonly queues: QueueSet;
  readonly dropped: DroppedRequests;
}

export interface Schema {
  readonly name: string;
  readonly uid: string;
  readonly spec: FlowSchemaSpec;
  readonly level: PriorityLevel;
  readonly matches: Matches;
  readonly hand: (distinguisher: string) => readonly number[];
  readonly counters: FlowCounters;
}

export interface Configured {
  readonly levels: ReadonlyMap<string, PriorityLevel>;
  /** By precedence, then by name; those without a level are left out. */
  readonly schemas: readonly Schema[];
}

const noHand = () => [];

function shapeOf({ type, limited }: PriorityLevelConfigurationSpec): QueueSetShape {
  const { queues = 0, handSize = 0, queueLengthLimit = 0 } = limited?.limitResponse?.queuing ?? {};
  if (type === 'Exempt') return { exempt: true };
  return { exempt: false, ...(queues > 0 && handSize > 0 ? { queuing: { queues, handSize, queueLengthLimit } } : {}) };
}

/** What is configured now. Queues and counters of what was there before live on. */
export function configure(
  clock: Clock,
  totalSeats: number,
  levelObjects: Iterable<PriorityLevelConfiguration>,
  schemaObjects: Iterable<FlowSchema>,
  before: Configured | undefined,
): Configured {
  // What is mandatory holds even while its object is missing.
  const specs = new Map<string, PriorityLevelConfigurationSpec>(mandatoryConfiguration.priorityLevels);
  const uids = new Map<string, string>();
  for (const { metadata, spec } of levelObjects) {
    specs.set(metadata.name, spec);
    uids.set(metadata.name, metadata.uid ?? '');
  }
  const limits = seatLimits(specs, totalSeats);
  const levels = new Map<string, PriorityLevel>();
  for (const [name, spec] of specs) {
    const known = before?.levels.get(name);
    const given = limits.get(name) ?? { nominal: 0, lower: 0, upper: 0 };
    const shape = shapeOf(spec);
    const level = known ?? {
      ...{ name, uid: '', limits: given, widest: undefined },
      queues: new QueueSet(clock, shape, given.nominal),
      dropped: new DroppedRequests(clock),
    };
    level.uid = uids.get(name) ?? '';
    level.queues.shape = shape;
    level.limits = given;
    level.widest = widestOf(given.nominal, spec);
    levels.set(name, level);
  }

  const all = new Map<string, { uid: string; spec: FlowSchemaSpec }>(
    [...mandatoryConfiguration.flowSchemas].map(([name, spec]) => [name, { uid: '', spec }]),
  );
  for (const { metadata, spec } of schemaObjects) all.set(metadata.name, { uid: metadata.uid ?? '', spec });
  const schemas: Schema[] = [];
  for (const [name, { uid, spec }] of all) {
    const level = levels.get(spec.priorityLevelConfiguration.name);
    if (level === undefined) continue;
    const { queuing } = level.queues.shape;
    const known = before?.schemas.find((schema) => schema.name === name && schema.level === level);
    schemas.push({
      name,
      uid,
      spec,
      level,
      matches: compileSchema(spec),
      hand: queuing === undefined ? noHand : createDealer(name, queuing.queues, queuing.handSize),
      counters: known?.counters ?? new FlowCounters(),
    });
  }
  const precedence = ({ spec }: Schema) => spec.matchingPrecedence ?? 0;
  schemas.sort((a, b) => precedence(a) - precedence(b) || (a.name < b.name ? -1 : 1));
  return { levels, schemas };
}
