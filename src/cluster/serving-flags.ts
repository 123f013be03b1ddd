/** kube-apiserver's flags of how it serves: limits in flight, timeouts, shutdown. */
import { compileRegularExpression } from '../api/index.ts';
import type { ClusterApiServerOptions } from '../server/index.ts';
import { ClusterError } from './cluster-error.ts';
import type { ComponentArgs } from './config.ts';
import { durationMs, flag } from './flags.ts';

const highestGoawayChance = 0.02;

/** Whole numbers, seconds and the like: not negative, as upstream words it. */
export function amount(args: ComponentArgs, name: string, read: (text: string) => number): number | undefined {
  const text = args[name];
  if (text === undefined) return undefined;
  const value = read(text);
  if (Number.isNaN(value)) throw new ClusterError(`invalid argument ${JSON.stringify(text)} for "--${name}"`);
  if (value < 0) throw new ClusterError(`--${name} can not be negative value`);
  return value;
}

const whole = (text: string) => (/^-?\d+$/.test(text) ? Number(text) : Number.NaN);
export const seconds = (text: string) => durationMs(text) / 1000;

/** How long watches are left to end, one after the other, when the server does. */
function watchGrace(text: string | undefined): number {
  const given = text === undefined ? 0 : seconds(text);
  if (given < 0) throw new ClusterError('shutdown-watch-termination-grace-period, if provided, can not be a negative value');
  return given;
}

/** How long a server that ends still serves. */
export const shutdownDelaySeconds = (args: ComponentArgs): number => amount(args, 'shutdown-delay-duration', seconds) ?? 0;

const corsHelp =
  "List of allowed origins for CORS, comma separated. An allowed origin can be a regular expression to support subdomain matching. If this list is empty CORS will not be enabled. Please ensure each expression matches the entire hostname by anchoring to the start with '^' or including the '//' prefix, and by anchoring to the end with '$' or including the ':' port separator suffix. Examples of valid expressions are '//example\\.com(:|$)' and '^https://example\\.com(:|$)'";

/** Whose pages may ask: expressions that say where the host begins and where it ends (CVE-2022-1996). */
function allowedOrigins(text: string | undefined): { allowsOrigin?(origin: string): boolean } {
  if (text === undefined || text === '') return {};
  const invalid = (why: string) => new ClusterError(`--cors-allowed-origins has an invalid regular expression: ${why}, help: ${corsHelp}`);
  const expressions = text.split(',').map((pattern) => {
    if (pattern === '') throw new ClusterError(`empty value in --cors-allowed-origins, help: ${corsHelp}`);
    let expression: ReturnType<typeof compileRegularExpression>;
    try {
      expression = compileRegularExpression(pattern);
    } catch (error) {
      throw invalid(error instanceof Error ? error.message : String(error));
    }
    if (!/\^|\/\//.test(pattern) || !/[$:]/.test(pattern))
      throw invalid('regular expression does not pin to start/end of host in the origin header');
    return expression;
  });
  return { allowsOrigin: (origin) => expressions.some((expression) => expression.matcher(origin).find()) };
}

function strictTransport(text: string | undefined): string[] {
  const directives = text ? text.split(',') : [];
  for (const directive of directives) {
    if (directive.trim() === '') throw new ClusterError('empty value in strict-transport-security-directives');
    if (directive !== 'includeSubDomains' && directive !== 'preload' && !/^max-age=[^=]*$/.test(directive))
      throw new ClusterError(
        '--strict-transport-security-directives invalid, allowed values: max-age=expireTime, includeSubDomains, preload. see https://tools.ietf.org/html/rfc6797#section-6.1 for more information',
      );
  }
  return directives;
}

/** How long pods stay on nodes that are not ready or out of reach, where they do not say. */
export function tolerationSeconds(args: ComponentArgs): { notReady?: number; unreachable?: number } {
  const notReady = amount(args, 'default-not-ready-toleration-seconds', whole);
  const unreachable = amount(args, 'default-unreachable-toleration-seconds', whole);
  return { ...(notReady === undefined ? {} : { notReady }), ...(unreachable === undefined ? {} : { unreachable }) };
}

export function servingOptions(
  args: ComponentArgs,
): Pick<
  ClusterApiServerOptions,
  | 'deleteCollectionWorkers'
  | 'externalHostname'
  | 'flowControl'
  | 'http'
  | 'livezGraceSeconds'
  | 'minRequestTimeoutSeconds'
  | 'requestTimeoutSeconds'
  | 'shutdown'
> {
  const reads = amount(args, 'max-requests-inflight', whole);
  const writes = amount(args, 'max-mutating-requests-inflight', whole);
  const requestTimeoutSeconds = amount(args, 'request-timeout', seconds);
  const minRequestTimeoutSeconds = amount(args, 'min-request-timeout', whole);
  const livezGraceSeconds = amount(args, 'livez-grace-period', seconds);
  const hsts = strictTransport(args['strict-transport-security-directives']);
  const browsers = { ...allowedOrigins(args['cors-allowed-origins']), ...(hsts.length > 0 ? { strictTransport: hsts } : {}) };
  const maxStreams = amount(args, 'http2-max-streams-per-connection', whole);
  const deleteCollectionWorkers = amount(args, 'delete-collection-workers', whole);
  const watchGraceSeconds = watchGrace(args['shutdown-watch-termination-grace-period']);
  const goawayChance = Number(args['goaway-chance'] ?? 0);
  // Where everybody is sent away all the time, nobody is served.
  if (!(goawayChance >= 0 && goawayChance <= highestGoawayChance))
    throw new ClusterError(`--goaway-chance can not be less than 0 or greater than ${highestGoawayChance}`);
  return {
    flowControl: {
      priorityAndFairness: flag(args['enable-priority-and-fairness'], true),
      dumps: flag(args.profiling, false),
      ...(reads === undefined ? {} : { maxRequestsInFlight: reads }),
      ...(writes === undefined ? {} : { maxMutatingRequestsInFlight: writes }),
    },
    http: {
      goawayChance,
      ...(Object.keys(browsers).length > 0 ? { browsers } : {}),
      ...(flag(args['permit-port-sharing'], false) ? { sharesPort: true } : {}),
      ...(maxStreams ? { maxStreams } : {}),
      ...(flag(args['disable-http2-serving'], false) ? { withoutHttp2: true } : {}),
    },
    ...(livezGraceSeconds === undefined ? {} : { livezGraceSeconds }),
    ...(requestTimeoutSeconds === undefined ? {} : { requestTimeoutSeconds }),
    ...(minRequestTimeoutSeconds === undefined ? {} : { minRequestTimeoutSeconds }),
    ...(deleteCollectionWorkers === undefined ? {} : { deleteCollectionWorkers }),
    ...(args['external-hostname'] ? { externalHostname: args['external-hostname'] } : {}),
    shutdown: {
      delaySeconds: shutdownDelaySeconds(args),
      sendRetryAfter: flag(args['shutdown-send-retry-after'], false),
      ...(watchGraceSeconds > 0 ? { watchGraceSeconds } : {}),
    },
  };
}
