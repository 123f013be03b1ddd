/** /healthz, /livez and /readyz with their checks, in upstream's words. */
import { type Answer, type RequestContext, textAnswer } from './exchange.ts';
import { queryBoolean } from './request-info.ts';

export interface HealthCheck {
  name: string;
  /** Throws with the reason where it is not healthy. */
  check(signal: AbortSignal): void | Promise<void>;
}

export type HealthEndpoint = 'healthz' | 'livez' | 'readyz';

const endpoints = new Set<string>(['healthz', 'livez', 'readyz']);

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

async function report(endpoint: string, checks: readonly HealthCheck[], context: RequestContext): Promise<Answer> {
  const exclude = new Set(context.query.getAll('exclude'));
  const results = await Promise.all(
    checks.map((check): Result | Promise<Result> =>
      exclude.has(check.name) ? { name: check.name, excluded: true } : run(check, context.signal),
    ),
  );
  const unknown = [...exclude].filter((name) => !checks.some((check) => check.name === name));
  const text = results.map(line).join('');
  const warning =
    unknown.length === 0
      ? ''
      : `warn: some health checks cannot be excluded: no matches for ${unknown.map((n) => JSON.stringify(n)).join(', ')}\n`;
  if (results.some(({ problem }) => problem !== undefined)) return textAnswer(`${text}${warning}${endpoint} check failed\n`, 500);
  if (!queryBoolean(context.query, 'verbose')) return textAnswer('ok');
  return textAnswer(`${text}${warning}${endpoint} check passed\n`);
}

export function createHealth(): Health {
  const checks: Record<string, HealthCheck[]> = { healthz: [], livez: [], readyz: [] };
  const ping: HealthCheck = { name: 'ping', check: () => {} };
  const health: Health = {
    add(check, at = ['healthz', 'livez', 'readyz']) {
      for (const endpoint of at) checks[endpoint]?.push(check);
    },
    answer(context) {
      const [endpoint = '', ...rest] = context.path.replace(/^\/+|\/+$/g, '').split('/');
      if (!endpoints.has(endpoint)) return undefined;
      const list = checks[endpoint] ?? [];
      if (rest.length === 0) return report(endpoint, list, context);
      const check = list.find(({ name }) => name === rest.join('/'));
      if (check === undefined) return undefined;
      return run(check, context.signal).then(({ problem }) =>
        problem === undefined ? textAnswer('ok') : textAnswer(`internal server error: ${problem}\n`, 500),
      );
    },
    paths: () => Object.entries(checks).flatMap(([endpoint, list]) => [`/${endpoint}`, ...list.map(({ name }) => `/${endpoint}/${name}`)]),
  };
  health.add(ping);
  return health;
}
