/**
 * Keeps the bootstrap FlowSchemas and PriorityLevelConfigurations as they should be, and says on every FlowSchema whether its level
 * exists (k8s.io/kubernetes/pkg/registry/flowcontrol/ensurer and the config consumer's status updates).
 */
import {
  apiVersionOf,
  deepEqual,
  FlowSchema,
  type FlowSchemaCondition,
  type FlowSchemaSpec,
  hasReason,
  type KubeObject,
  mandatoryConfiguration,
  PriorityLevelConfiguration,
  type PriorityLevelConfigurationSpec,
  parseGoBool,
  type Resource,
  suggestedConfiguration,
} from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import { type Clock, timestamp } from '../../time/index.ts';
import { follow, type Storages } from '../storages.ts';

const producer = 'api-priority-and-fairness-config-producer-v1';
const consumer = 'api-priority-and-fairness-config-consumer-v1';
/** A schema's condition is written at most so often; then this server waits (upstream: 30 to 75 seconds). */
const mostPerMinute = 6;
const minuteMs = 60_000;
const fightPauseMs = 45_000;
const autoUpdateAnnotation = 'apf.kubernetes.io/autoupdate-spec';

type Configuration = FlowSchema | PriorityLevelConfiguration;
type Want<S> = { spec: S; mandatory: boolean };
type Wanted<S> = ReadonlyMap<string, Want<S>>;

function wanted<S>(mandatory: ReadonlyMap<string, S>, suggested: ReadonlyMap<string, S>): Wanted<S> {
  const all = new Map<string, { spec: S; mandatory: boolean }>();
  for (const [name, spec] of suggested) all.set(name, { spec, mandatory: false });
  for (const [name, spec] of mandatory) all.set(name, { spec, mandatory: true });
  return all;
}
const wantedLevels = wanted<PriorityLevelConfigurationSpec>(mandatoryConfiguration.priorityLevels, suggestedConfiguration.priorityLevels);
const wantedSchemas = wanted<FlowSchemaSpec>(mandatoryConfiguration.flowSchemas, suggestedConfiguration.flowSchemas);

/** What an object's annotation says of whether the server may overwrite it. */
const saidOf = ({ metadata }: KubeObject): boolean | undefined => parseGoBool(metadata.annotations?.[autoUpdateAnnotation] ?? '');

/** Whether the server may overwrite an object: as its annotation says, else while nobody has changed its spec. */
const isAutoUpdated = (object: KubeObject): boolean => saidOf(object) ?? object.metadata.generation === 1;

/** The object as it should be; undefined where it is so. */
export function corrected<T extends Configuration>(current: T, spec: T['spec'], mandatory: boolean): T | undefined {
  const auto = mandatory || isAutoUpdated(current);
  // The exempt level's shares are the administrator's.
  const keepsOwn = mandatory && current.kind === 'PriorityLevelConfiguration' && current.metadata.name === 'exempt';
  const next = !auto || keepsOwn ? current.spec : spec;
  const isSaid = saidOf(current) === auto;
  if (isSaid && deepEqual(next, current.spec)) return undefined;
  const annotations = isSaid ? current.metadata.annotations : { ...current.metadata.annotations, [autoUpdateAnnotation]: String(auto) };
  return { ...current, metadata: { ...current.metadata, annotations }, spec: next };
}

/** The Dangling condition that a schema should have; undefined where it has it. */
export function danglingCondition(schema: FlowSchema, levels: ReadonlySet<string>, now: string): FlowSchemaCondition | undefined {
  const { name } = schema.spec.priorityLevelConfiguration;
  const about = `This FlowSchema references the PriorityLevelConfiguration object named ${JSON.stringify(name)}`;
  const found = levels.has(name);
  const next = found
    ? { type: 'Dangling', status: 'False', reason: 'Found', message: `${about} and it exists` }
    : { type: 'Dangling', status: 'True', reason: 'NotFound', message: `${about} but there is no such object` };
  const known = schema.status?.conditions?.find(({ type }) => type === 'Dangling');
  if (known && known.status === next.status && known.reason === next.reason && known.message === next.message) return undefined;
  return { ...next, lastTransitionTime: now };
}

export interface FlowConfigurationOptions {
  client: Client;
  storages: Storages;
  clock: Clock;
  signal: AbortSignal;
  onError(error: unknown): void;
}

/** Makes the configuration, and from then on looks again whenever something of it changes. Resolves when it is there. */
export async function ensureFlowConfiguration(options: FlowConfigurationOptions): Promise<void> {
  const { client, storages, clock, signal } = options;
  const levels = new Map<string, PriorityLevelConfiguration>();
  const schemas = new Map<string, FlowSchema>();

  /** Another server may do the same at the same time: what it has written comes by the watch. */
  const write = async <T>(work: Promise<T>): Promise<T | undefined> => {
    try {
      return await work;
    } catch (error) {
      if (!['AlreadyExists', 'Conflict', 'NotFound'].some((reason) => hasReason(error, reason))) throw error;
      return undefined;
    }
  };
  const ensureOne = async <T extends Configuration>(
    resource: Resource<T>,
    present: Map<string, T>,
    name: string,
    want: Want<T['spec']>,
  ) => {
    const { spec, mandatory } = want;
    const current = present.get(name);
    if (current === undefined) {
      const object = {
        apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
        kind: resource.kind,
        metadata: { name, annotations: { [autoUpdateAnnotation]: 'true' } },
        spec,
      } as unknown as T; // the wanted specs are the resource's own
      const made = await write(client.create(resource, object, { signal, fieldManager: producer }));
      if (made !== undefined && !present.has(name)) present.set(name, made);
      return;
    }
    const next = corrected(current, spec, mandatory);
    if (next !== undefined) await write(client.update(resource, next, { signal, fieldManager: producer }));
  };
  /** All at once: what is written together is committed together. */
  const ensure = async <T extends Configuration>(resource: Resource<T>, present: Map<string, T>, all: Wanted<T['spec']>) => {
    // What an earlier release suggested and nobody has made his own.
    const unwanted = [...present].filter(
      ([name, object]) => !all.has(name) && saidOf(object) === true && object.metadata.deletionTimestamp === undefined,
    );
    await Promise.all([
      ...[...all].map(([name, want]) => ensureOne(resource, present, name, want)),
      ...unwanted.map(([name]) => write(client.delete(resource, name, { signal }))),
    ]);
  };
  /** When each schema's condition has been written, of late. */
  const told = new Map<string, number[]>();
  let isPut = false;
  /** Whether others seem to say the opposite again and again: then this one says less. */
  const isFight = (name: string): boolean => {
    const now = clock.monotonic();
    const times = (told.get(name) ?? []).filter((at) => now - at <= minuteMs);
    told.set(name, times);
    if (times.length < mostPerMinute) {
      times.push(now);
      return false;
    }
    if (!isPut) clock.setTimer(fightPauseMs, again, { background: true });
    isPut = true;
    return true;
  };
  const tell = async (schema: FlowSchema, names: ReadonlySet<string>) => {
    const condition = danglingCondition(schema, names, timestamp(clock));
    if (condition === undefined || isFight(schema.metadata.name)) return;
    const { name } = schema.metadata;
    // Applied: conditions of others stay theirs.
    const configuration = {
      apiVersion: apiVersionOf(FlowSchema),
      kind: FlowSchema.kind,
      metadata: { name },
      status: { conditions: [condition] },
    };
    const options = { signal, fieldManager: consumer, force: true, subresource: 'status' };
    await write(client.patch(FlowSchema, name, 'apply', configuration, options));
  };
  const reconcile = async () => {
    await Promise.all([ensure(PriorityLevelConfiguration, levels, wantedLevels), ensure(FlowSchema, schemas, wantedSchemas)]);
    const names = new Set(levels.keys());
    for (const name of told.keys()) if (!schemas.has(name)) told.delete(name);
    await Promise.all([...schemas.values()].map((schema) => tell(schema, names)));
  };

  let running: Promise<void> | undefined;
  let isAsked = false;
  let started = false;
  const look = () => {
    isAsked = true;
    if (!started || signal.aborted) return;
    running ??= (async () => {
      try {
        while (isAsked && !signal.aborted) {
          isAsked = false;
          await reconcile();
        }
      } catch (error) {
        if (!signal.aborted) options.onError(error);
      } finally {
        running = undefined;
      }
    })();
  };
  const again = () => {
    isPut = false;
    look();
  };
  const into = <T extends KubeObject>(resource: Resource<T>, objects: Map<string, T>) =>
    follow(
      storages(resource),
      {
        reset: () => objects.clear(),
        set(object) {
          objects.set(object.metadata.name, object);
          look();
        },
        remove(object) {
          objects.delete(object.metadata.name);
          look();
        },
      },
      { signal, onError: options.onError },
    );
  await Promise.all([into(PriorityLevelConfiguration, levels), into(FlowSchema, schemas)]);
  started = true;
  look();
  await running;
}
