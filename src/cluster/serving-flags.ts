/** kube-apiserver's flags of how it serves: limits in flight, timeouts, shutdown. */
import type { ClusterApiServerOptions } from '../server/index.ts';
import { ClusterError } from './cluster-error.ts';
import type { ComponentArgs } from './config.ts';
import { durationMs, flag } from './flags.ts';

const highestGoawayChance = 0.02;

/** Whole numbers, seconds and the like: not negative, as upstream words it. */
function amount(args: ComponentArgs, name: string, read: (text: string) => number): number | undefined {
  const text = args[name];
  if (text === undefined) return undefined;
  const value = read(text);
  if (Number.isNaN(value)) throw new ClusterError(`invalid argument ${JSON.stringify(text)} for "--${name}"`);
  if (value < 0) throw new ClusterError(`--${name} can not be negative value`);
  return value;
}

const whole = (text: string) => (/^-?\d+$/.test(text) ? Number(text) : Number.NaN);
const seconds = (text: string) => durationMs(text) / 1000;

/** How long a server that ends still serves. */
export const shutdownDelaySeconds = (args: ComponentArgs): number => amount(args, 'shutdown-delay-duration', seconds) ?? 0;

/** How long pods stay on nodes that are not ready or out of reach, where they do not say. */
export function tolerationSeconds(args: ComponentArgs): { notReady?: number; unreachable?: number } {
  const notReady = amount(args, 'default-not-ready-toleration-seconds', whole);
  const unreachable = amount(args, 'default-unreachable-toleration-seconds', whole);
  return { ...(notReady === undefined ? {} : { notReady }), ...(unreachable === undefined ? {} : { unreachable }) };
}

export function servingOptions(
  args: ComponentArgs,
): Pick<ClusterApiServerOptions, 'flowControl' | 'http' | 'minRequestTimeoutSeconds' | 'requestTimeoutSeconds' | 'shutdown'> {
  const reads = amount(args, 'max-requests-inflight', whole);
  const writes = amount(args, 'max-mutating-requests-inflight', whole);
  const requestTimeoutSeconds = amount(args, 'request-timeout', seconds);
  const minRequestTimeoutSeconds = amount(args, 'min-request-timeout', whole);
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
    http: { goawayChance },
    ...(requestTimeoutSeconds === undefined ? {} : { requestTimeoutSeconds }),
    ...(minRequestTimeoutSeconds === undefined ? {} : { minRequestTimeoutSeconds }),
    shutdown: { delaySeconds: shutdownDelaySeconds(args), sendRetryAfter: flag(args['shutdown-send-retry-after'], false) },
  };
}
