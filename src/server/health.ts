/** /healthz, /livez and /readyz with their checks, in upstream's words. */
import { Counter, Gauge, type Registry } from 'prom-client';
import { type Answer, type RequestContext, textAnswer } from './exchange.ts';

export interface HealthCheck {
  name: string;
  /** Throws with the reason where it is not healthy. */
  check(signal: AbortSignal): void | Promise<void>;
}

export type HealthEndpoint = 'healthz' | 'livez' | 'readyz';

const endpoints = ['healthz', 'livez', 'readyz'] as const;

export interface Health {
  /** Default: all three endpoints. */
  add(check: HealthCheck, endpoints?: readonly HealthEndpoint[]): void;
  /** Undefined for a path that is no health endpoint. */
  answer(context: RequestContext): Promise<Answer> | undefined;
  /** Paths for the root's list. */
  paths(): string[];
}

interface Result {
  name: string;
  problem?: string;
  excluded?: boolean;
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
  if (excluded) return `[+]${name} excluded: ok\n`;
  // The reason is for the log: these endpoints are open to everybody.
  return problem === undefined ? `[+]${name} ok\n` : `[-]${name} failed: reason withheld\n`;
}

/** Text for people; never taken for anything else by a browser. */
const plain = (body: string, status = 200): Answer => ({
  ...(textAnswer(body, status) as Answer & { type: 'raw' }), // what textAnswer makes
  headers: { 'x-content-type-options': 'nosniff' },
});

type Note = (type: string, result: Result) => void;

async function report(endpoint: string, checks: readonly HealthCheck[], context: RequestContext, note: Note): Promise<Answer> {
  const exclude = new Set(context.query.getAll('exclude'));
  const results = await Promise.all(
    checks.map((check): Result | Promise<Result> =>
      exclude.has(check.name) ? { name: check.name, excluded: true } : run(check, context.signal),
    ),
  );
  for (const result of results) if (!result.excluded) note(endpoint, result);
  const unknown = [...exclude].filter((name) => !checks.some((check) => check.name === name)).sort();
  const text = results.map(line).join('');
  const warning =
    unknown.length === 0
      ? ''
      : `warn: some health checks cannot be excluded: no matches for ${unknown.map((n) => JSON.stringify(n)).join(',')}\n`;
  if (results.some(({ problem }) => problem !== undefined)) return plain(`${text}${warning}${endpoint} check failed\n`, 500);
  if (!context.query.has('verbose')) return plain('ok');
  return plain(`${text}${warning}${endpoint} check passed\n`);
}

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
    add(check, at = endpoints) {
      for (const endpoint of at) checks[endpoint]?.push(check);
    },
    answer(context) {
      const [endpoint = '', ...rest] = context.path.replace(/^\/+|\/+$/g, '').split('/');
      const list = checks[endpoint];
      if (list === undefined) return undefined;
      if (rest.length === 0) return report(endpoint, list, context, note);
      const check = list.find(({ name }) => name === rest.join('/'));
      if (check === undefined) return undefined;
      return run(check, context.signal).then(({ problem }) =>
        problem === undefined ? textAnswer('ok') : plain(`internal server error: ${problem}\n`, 500),
      );
    },
    paths: () => Object.entries(checks).flatMap(([endpoint, list]) => [`/${endpoint}`, ...list.map(({ name }) => `/${endpoint}/${name}`)]),
  };
  health.add(ping);
  return health;
}
