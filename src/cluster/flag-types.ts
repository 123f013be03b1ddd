/** What kinds of values flags take, said as pflag says it where one is of another kind. */
import { goDurationProblem, parseGoBool, parseGoDuration } from '../api/index.ts';
import { ClusterError } from './cluster-error.ts';
import type { ComponentArgs } from './config.ts';

const wordsOf = (...lines: readonly string[]) => lines.flatMap((line) => line.split(' '));

/** Throws pflag's words for a value of a flag. */
export function invalidArgument(text: string, flag: string, why: string): ClusterError {
  return new ClusterError(`invalid argument ${JSON.stringify(text)} for "--${flag}" flag: ${why}`);
}

type Check = (text: string) => string | undefined;
const syntax = (parser: string, text: string) => `strconv.${parser}: parsing ${JSON.stringify(text)}: invalid syntax`;

/** What pflag says of a text that is not of a kind; undefined of one that is. */
export const duration: Check = (text) => (parseGoDuration(text) === undefined ? goDurationProblem(text) : undefined);
export const boolean: Check = (text) => (text === '' || parseGoBool(text) !== undefined ? undefined : syntax('ParseBool', text));
export const integer: Check = (text) => (/^[+-]?\d+$/.test(text) ? undefined : syntax('ParseInt', text));
const fraction: Check = (text) => (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? undefined : syntax('ParseFloat', text));

const checks = new Map<string, Check>([
  ...wordsOf(
    'authentication-token-webhook-cache-ttl authorization-webhook-cache-authorized-ttl authorization-webhook-cache-unauthorized-ttl',
    'etcd-compaction-interval etcd-healthcheck-timeout etcd-readycheck-timeout event-ttl leader-elect-lease-duration',
    'leader-elect-renew-deadline leader-elect-retry-period livez-grace-period request-timeout service-account-max-token-expiration',
    'shutdown-delay-duration shutdown-watch-termination-grace-period',
  ).map((name) => [name, duration] as const),
  ...wordsOf(
    'allocate-node-cidrs allow-privileged anonymous-auth contention-profiling disable-http2-serving enable-aggregator-routing',
    'enable-bootstrap-token-auth enable-priority-and-fairness encryption-provider-config-automatic-reload leader-elect permit-address-sharing permit-port-sharing',
    'profiling service-account-extend-token-expiration service-account-lookup shutdown-send-retry-after',
  ).map((name) => [name, boolean] as const),
  ...wordsOf(
    'default-not-ready-toleration-seconds default-unreachable-toleration-seconds delete-collection-workers',
    'http2-max-streams-per-connection kube-api-burst max-mutating-requests-inflight max-requests-inflight min-request-timeout secure-port',
  ).map((name) => [name, integer] as const),
  ['goaway-chance', fraction],
  ['kube-api-qps', fraction],
]);

/** Throws ClusterError for the first value that is not of its flag's kind. */
export function checkFlagTypes(args: ComponentArgs): void {
  for (const [flag, text] of Object.entries(args)) {
    const why = checks.get(flag)?.(text);
    if (why !== undefined) throw invalidArgument(text, flag, why);
  }
}
