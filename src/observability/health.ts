/** /healthz, /livez and /readyz with their checks, in upstream's words. */
import { Counter, Gauge, type Registry } from 'prom-client';

export interface HealthCheck {
  name: string;
  /** Which it is left out with, too. */
  group?: string;
  /** Throws with the reason where it is not healthy. */
  check(signal: AbortSignal): void | Promise<void>;
}

export type HealthEndpoint = 'healthz' | 'livez' | 'readyz';

export interface HealthRequest {
  path: string;
  query: URLSearchParams;
  signal: AbortSignal;
}

/** Text for people; never to be taken for anything else by a browser. */
export interface HealthAnswer {
  status: number;
  body: string;
}

const endpoints = ['healthz', 'livez', 'readyz'] as const;

export interface Health {
  /** Default: all three endpoints, at the end; `before`: before the check of that name, where it is. */
  add(check: HealthCheck, endpoints?: readonly HealthEndpoint[], before?: string): void;
  /** Undefined for a path that is no health endpoint. */
  answer(request: HealthRequest): Promise<HealthAnswer> | undefined;
  /** Paths for the root's list. */
  paths(): string[];
}

interface Result {
  name: string;
  problem?: string;
  /** By its own name, or with its group. */
  excluded?: 'itself' | { group: string };
}

async function run(check: HealthCheck, signal: AbortSignal): Promise<Result> {
  try {
    await check.check(signal);
    return { name: check.name };
  } catch (error) {
    return { name: check.name, problem: error instanceof Error ? error.message : String(error) };
  }
}

function line({ name, problem, excluded }: Result): string {
  if (excluded === 'itself') return `[+]${name} excluded: ok\n`;
  if (excluded !== undefined) return `[+]${name} excluded with ${excluded.group}: ok\n`;
  // The reason is for the log: these endpoints are open to everybody.
  return problem === undefined ? `[+]${name} ok\n` : `[-]${name} failed: reason withheld\n`;
}

type Note = (type: string, result: Result) => void;

async function report(endpoint: string, checks: readonly HealthCheck[], request: HealthRequest, note: Note): Promise<HealthAnswer> {
  const exclude = new Set(request.query.getAll('exclude'));
  const results = await Promise.all(
    checks.map((check): Result | Promise<Result> => {
      const { name, group } = check;
      if (exclude.has(name)) return { name, excluded: 'itself' };
      if (group !== undefined && exclude.has(group)) return { name, excluded: { group } };
      return run(check, request.signal);
    }),
  );
  for (const result of results) if (!result.excluded) note(endpoint, result);
  const unknown = [...exclude].filter((given) => !checks.some(({ name, group }) => name === given || group === given)).sort();
  const text = results.map(line).join('');
  const warning =
    unknown.length === 0
      ? ''
      : `warn: some health checks cannot be excluded: no matches for ${unknown.map((n) => JSON.stringify(n)).join(',')}\n`;
  if (results.some(({ problem }) => problem !== undefined)) return { status: 500, body: `${text}${warning}${endpoint} check failed\n` };
  if (!request.query.has('verbose')) return { status: 200, body: 'ok' };
  return { status: 200, body: `${text}${warning}${endpoint} check passed\n` };
}

/** What /metrics/slis shows. */
export const healthMetricNames: ReadonlySet<string> = new Set(['kubernetes_healthcheck', 'kubernetes_healthchecks_total']);

/** Counts what checks have found, as upstream's component-base does. */
function healthMetrics(registry: Registry | undefined): Note {
  if (registry === undefined) return () => {};
  const registers = [registry];
  const last = new Gauge({
    name: 'kubernetes_healthcheck',
    help: 'This metric records the result of a single healthcheck.',
    labelNames: ['type', 'name'],
    registers,
  });
  const all = new Counter({
    name: 'kubernetes_healthchecks_total',
    help: 'This metric records the results of all healthcheck.',
    labelNames: ['type', 'name', 'status'],
    registers,
  });
  return (type, { name, problem }) => {
    last.set({ type, name }, problem === undefined ? 1 : 0);
    all.inc({ type, name, status: problem === undefined ? 'success' : 'error' });
  };
}

export function createHealth(registry?: Registry): Health {
  const note = healthMetrics(registry);
  const checks: Record<string, HealthCheck[]> = Object.assign(Object.create(null), { healthz: [], livez: [], readyz: [] });
  const ping: HealthCheck = { name: 'ping', check: () => {} };
  const health: Health = {
    add(check, at = endpoints, before) {
      for (const endpoint of at) {
        const list = checks[endpoint] ?? [];
        const place = list.findIndex(({ name }) => name === before);
        list.splice(place < 0 ? list.length : place, 0, check);
      }
    },
    answer(request) {
      const [endpoint = '', ...rest] = request.path.replace(/^\//, '').split('/');
      const list = checks[endpoint];
      if (list === undefined) return undefined;
      if (rest.length === 0) return report(endpoint, list, request, note);
      const check = list.find(({ name }) => name === rest.join('/'));
      if (check === undefined) return undefined;
      return run(check, request.signal).then(({ problem }) =>
        problem === undefined ? { status: 200, body: 'ok' } : { status: 500, body: `internal server error: ${problem}\n` },
      );
    },
    paths: () => Object.entries(checks).flatMap(([endpoint, list]) => [`/${endpoint}`, ...list.map(({ name }) => `/${endpoint}/${name}`)]),
  };
  health.add(ping);
  return health;
}
