import type { KubeSchedulerProfile, Plugins } from './config.ts';
import type { Handle, Registry } from './handle.ts';
import type { Plugin } from './plugin.ts';

/** A profile's plugins by extension point, each in the order in which it is called. */
export interface Profile {
  readonly schedulerName: string;
  readonly plugins: readonly Plugin[];
  readonly at: { readonly [P in Point]: readonly With<P>[] };
  readonly weights: ReadonlyMap<string, number>;
  readonly percentageOfNodesToScore: number | undefined;
}

/** Extension points by the method that makes a plugin part of one, with their name in the configuration. */
const points = {
  preEnqueue: 'preEnqueue',
  compare: 'queueSort',
  preFilter: 'preFilter',
  filter: 'filter',
  addPod: 'preFilter',
  removePod: 'preFilter',
  postFilter: 'postFilter',
  preScore: 'preScore',
  score: 'score',
  reserve: 'reserve',
  unreserve: 'reserve',
  permit: 'permit',
  preBind: 'preBind',
  bind: 'bind',
  postBind: 'postBind',
} as const satisfies Partial<Record<keyof Plugin, keyof Plugins>>;

type Point = keyof typeof points;
type With<P extends Point> = Plugin & Required<Pick<Plugin, P>>;
type Enabled = { name: string; weight?: number };

/**
 * Puts a profile together from the default plugins, what the profile's `multiPoint` adds and takes away, and what its single
 * extension points do.
 * @throws Error for a plugin that the registry does not have, or an extension point without which nothing can be scheduled.
 */
export function createProfile(
  config: KubeSchedulerProfile,
  schedulerName: string,
  registry: Registry,
  defaults: readonly Enabled[],
  handle: Handle,
): Profile {
  const everywhere = merge(defaults, config.plugins?.multiPoint);
  const args = new Map((config.pluginConfig ?? []).map((c) => [c.name, (c.args ?? {}) as Record<string, unknown>]));
  const made = new Map<string, Plugin>();
  const plugin = (name: string): Plugin => {
    const known = made.get(name);
    if (known) return known;
    const factory = registry[name];
    if (!factory) throw new Error(`plugin ${JSON.stringify(name)} does not exist in the scheduler's registry`);
    const created = factory(args.get(name) ?? {}, handle);
    made.set(name, created);
    return created;
  };
  for (const { name } of everywhere) plugin(name);

  const weights = new Map<string, number>();
  const pluginsAt = (method: Point): Plugin[] => {
    const set = config.plugins?.[points[method]];
    const own = set?.enabled ?? [];
    const off = new Set(set?.disabled?.map((p) => p.name));
    const inherited = off.has('*') ? [] : everywhere.filter((e) => !off.has(e.name) && !own.some((o) => o.name === e.name));
    const enabled = [...own, ...inherited].filter((e) => plugin(e.name)[method] !== undefined);
    if (method === 'score') for (const e of enabled) weights.set(e.name, e.weight || defaults.find((d) => d.name === e.name)?.weight || 1);
    return enabled.map((e) => plugin(e.name));
  };
  // Each list holds the plugins that have the method it is filed under.
  const at = Object.fromEntries(Object.keys(points).map((method) => [method, pluginsAt(method as Point)])) as unknown as Profile['at'];
  if (at.compare.length !== 1)
    throw new Error(`profile ${schedulerName}: exactly one queue sort plugin is needed, not ${at.compare.length}`);
  if (at.bind.length === 0) throw new Error(`profile ${schedulerName}: at least one bind plugin is needed`);
  return { schedulerName, plugins: [...made.values()], at, weights, percentageOfNodesToScore: config.percentageOfNodesToScore };
}

function merge(defaults: readonly Enabled[], set: Plugins['multiPoint']): Enabled[] {
  const off = new Set(set?.disabled?.map((p) => p.name));
  const own = new Map((set?.enabled ?? []).map((p) => [p.name, p]));
  const kept = off.has('*') ? [] : defaults.filter((d) => !off.has(d.name) || own.has(d.name));
  const merged = kept.map((d) => {
    const replaced = own.get(d.name);
    own.delete(d.name);
    return replaced?.weight ? { name: d.name, weight: replaced.weight } : d;
  });
  return [...merged, ...own.values()];
}
