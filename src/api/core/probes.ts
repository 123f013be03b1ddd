/** Probes and lifecycle hooks: what is asked of a container while it runs. */
import type { FieldErrors, FieldPath } from '../fields.ts';
import type { HTTPGetAction, Lifecycle, LifecycleHandler, Probe, ProbeHandler } from '../generated/core.v1.ts';
import { isHttpHeaderName } from '../names.ts';
import { allowOneOf, reject, requireNonNegative, requirePort } from './checks.ts';

function validateHttpGet(http: HTTPGetAction, path: FieldPath, errors: FieldErrors): void {
  if (!http.path) errors.required(path.child('path'));
  requirePort(errors, path.child('port'), http.port);
  if (http.scheme !== 'HTTP' && http.scheme !== 'HTTPS') errors.notSupported(path.child('scheme'), http.scheme ?? '', ['HTTP', 'HTTPS']);
  for (const { name } of http.httpHeaders ?? []) reject(errors, path.child('httpHeaders'), name, isHttpHeaderName(name));
}

/** Exactly one way of asking. `gracePeriodSeconds` bounds a hook's sleep. */
function validateHandler(
  handler: ProbeHandler & LifecycleHandler,
  gracePeriodSeconds: number | undefined,
  path: FieldPath,
  errors: FieldErrors,
): void {
  const kinds = (['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'] as const).filter((kind) => handler[kind]);
  const [first, ...others] = kinds;
  if (!first) {
    errors.required(path, 'must specify a handler type');
    return;
  }
  for (const kind of others) errors.forbidden(path.child(kind), 'may not specify more than 1 handler type');
  const at = path.child(first);
  if (first === 'exec' && !handler.exec?.command?.length) errors.required(at.child('command'));
  if (first === 'httpGet' && handler.httpGet) validateHttpGet(handler.httpGet, at, errors);
  if (first === 'tcpSocket') requirePort(errors, at.child('port'), handler.tcpSocket?.port);
  if (first === 'grpc') requirePort(errors, at.child('port'), handler.grpc?.port ?? 0);
  if (first === 'sleep' && gracePeriodSeconds !== undefined) {
    const seconds = handler.sleep?.seconds ?? 0;
    if (seconds < 0 || seconds > gracePeriodSeconds)
      errors.invalid(at, seconds, `must be non-negative and less than terminationGracePeriodSeconds (${gracePeriodSeconds})`);
  }
}

function validateProbe(probe: Probe, path: FieldPath, errors: FieldErrors): void {
  validateHandler(probe, undefined, path, errors);
  for (const field of ['initialDelaySeconds', 'timeoutSeconds', 'periodSeconds', 'successThreshold', 'failureThreshold'] as const)
    requireNonNegative(errors, path.child(field), probe[field]);
  const grace = probe.terminationGracePeriodSeconds;
  if (grace !== undefined && grace <= 0) errors.invalid(path.child('terminationGracePeriodSeconds'), grace, 'must be greater than 0');
}

interface Probed {
  livenessProbe?: Probe;
  readinessProbe?: Probe;
  startupProbe?: Probe;
}

/** A container's three probes. Liveness and startup succeed at once or not at all; readiness never kills. */
export function validateProbes(container: Probed, path: FieldPath, errors: FieldErrors): void {
  for (const kind of ['livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
    const probe = container[kind];
    if (!probe) continue;
    const at = path.child(kind);
    validateProbe(probe, at, errors);
    if (kind !== 'readinessProbe' && probe.successThreshold !== 1)
      errors.invalid(at.child('successThreshold'), probe.successThreshold ?? 0, 'must be 1');
    if (kind === 'readinessProbe' && probe.terminationGracePeriodSeconds !== undefined)
      errors.invalid(at.child('terminationGracePeriodSeconds'), probe.terminationGracePeriodSeconds, 'must not be set for readinessProbes');
  }
}

const range = (from: number, to: number, name: (i: number) => string) => Array.from({ length: to - from + 1 }, (_, i) => name(from + i));

/** The signals that a container may be stopped with, by operating system. */
const stopSignals: Readonly<Record<string, readonly string[]>> = {
  windows: ['SIGKILL', 'SIGTERM'],
  linux: [
    ...'ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU'.split(
      ' ',
    ),
    ...'URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX'.split(' '),
    ...range(1, 15, (i) => `RTMIN+${i}`),
    ...range(1, 14, (i) => `RTMAX-${i}`),
  ]
    .map((name) => `SIG${name}`)
    .sort(),
};

/** A container's hooks and stop signal. */
export function validateLifecycle(
  lifecycle: Lifecycle,
  gracePeriodSeconds: number | undefined,
  osName: string | undefined,
  path: FieldPath,
  errors: FieldErrors,
): void {
  if (lifecycle.postStart) validateHandler(lifecycle.postStart, gracePeriodSeconds, path.child('postStart'), errors);
  if (lifecycle.preStop) validateHandler(lifecycle.preStop, gracePeriodSeconds, path.child('preStop'), errors);
  const { stopSignal } = lifecycle;
  if (stopSignal === undefined) return;
  if (!osName) errors.forbidden(path.child('stopSignal'), 'may not be set for containers with empty `spec.os.name`');
  else allowOneOf(errors, path.child('stopSignal'), stopSignal, stopSignals[osName] ?? [stopSignal]);
}
