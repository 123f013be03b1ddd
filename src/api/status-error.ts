import { aggregateMessage } from './aggregate-error.ts';
import type { FieldError } from './fields.ts';
import { fieldErrorMessage } from './fields.ts';
import type { Status, StatusDetails } from './generated/meta.v1.ts';

/** What names a kind or a resource in an error. */
interface Named {
  group: string;
  plural: string;
}

const dotted = (r: Named) => (r.group === '' ? r.plural : `${r.plural}.${r.group}`);

/**
 * An API error as upstream gives it: an HTTP code, a machine-readable reason, a message and causes, carried as a
 * `meta/v1 Status` (API conventions, "Error response kinds"). Everything that fails because of the request throws one.
 */
export class StatusError extends Error {
  readonly status: Status;
  /** Sent as the Retry-After header where set. */
  readonly retryAfterSeconds: number | undefined;

  constructor(code: number, reason: string, message: string, details?: StatusDetails) {
    super(message);
    this.name = 'StatusError';
    this.status = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      ...(reason ? { reason } : {}),
      ...(details ? { details } : {}),
      code,
    };
    this.retryAfterSeconds = details?.retryAfterSeconds;
  }

  /** Wraps a Status that came over the wire. */
  static from(status: Status): StatusError {
    const error = new StatusError(status.code ?? 500, status.reason ?? '', status.message ?? 'unknown', status.details);
    Object.assign(error, { status });
    return error;
  }

  get code(): number {
    return this.status.code ?? 500;
  }

  get reason(): string {
    return this.status.reason ?? '';
  }
}

const details = (r: Named, name: string): StatusDetails => ({
  ...(name ? { name } : {}),
  ...(r.group ? { group: r.group } : {}),
  kind: r.plural,
});

/** Constructors of the errors that upstream's `k8s.io/apimachinery/pkg/api/errors` knows, with its messages. */
export const errors = {
  notFound: (r: Named, name: string) =>
    new StatusError(404, 'NotFound', `${dotted(r)} ${JSON.stringify(name)} not found`, details(r, name)),
  alreadyExists: (r: Named, name: string) =>
    new StatusError(409, 'AlreadyExists', `${dotted(r)} ${JSON.stringify(name)} already exists`, details(r, name)),
  generateNameConflict: (r: Named, name: string) =>
    new StatusError(
      409,
      'AlreadyExists',
      `${dotted(r)} ${JSON.stringify(name)} already exists, the server was not able to generate a unique name for the object`,
      { ...details(r, name), retryAfterSeconds: 1 },
    ),
  conflict: (r: Named, name: string, why: string) =>
    new StatusError(409, 'Conflict', `Operation cannot be fulfilled on ${dotted(r)} ${JSON.stringify(name)}: ${why}`, details(r, name)),
  /** An optimistic-lock failure. */
  objectModified: (r: Named, name: string) =>
    errors.conflict(r, name, 'the object has been modified; please apply your changes to the latest version and try again'),
  forbidden: (r: Named, name: string, why: string) =>
    new StatusError(
      403,
      'Forbidden',
      r.plural === ''
        ? `forbidden: ${why}`
        : name === ''
          ? `${dotted(r)} is forbidden: ${why}`
          : `${dotted(r)} ${JSON.stringify(name)} is forbidden: ${why}`,
      details(r, name),
    ),
  invalid: (kind: { group: string; kind: string }, name: string, list: readonly FieldError[]) => {
    // The message says a thing once, however many causes say it.
    const text = aggregateMessage(list.map(fieldErrorMessage));
    const label = kind.group === '' ? kind.kind : `${kind.kind}.${kind.group}`;
    return new StatusError(422, 'Invalid', `${label} ${JSON.stringify(name)} is invalid${text && `: ${text}`}`, {
      ...(name ? { name } : {}),
      ...(kind.group ? { group: kind.group } : {}),
      ...(kind.kind ? { kind: kind.kind } : {}),
      ...(list.length > 0 ? { causes: list.map((e) => ({ reason: e.type, message: e.body, field: e.field })) } : {}),
    });
  },
  badRequest: (message: string) => new StatusError(400, 'BadRequest', message),
  unauthorized: () => new StatusError(401, 'Unauthorized', 'Unauthorized'),
  methodNotSupported: (r: Named, verb: string) =>
    new StatusError(405, 'MethodNotAllowed', `${verb} is not supported on resources of kind ${JSON.stringify(dotted(r))}`, details(r, '')),
  notAcceptable: (accepted: readonly string[]) =>
    new StatusError(406, 'NotAcceptable', `only the following media types are accepted: ${accepted.join(', ')}`),
  unsupportedMediaType: (supported: readonly string[]) =>
    new StatusError(
      415,
      'UnsupportedMediaType',
      `the body of the request was in an unknown format - accepted media types include: ${supported.join(', ')}`,
    ),
  requestEntityTooLarge: (limit: number) => new StatusError(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${limit}`),
  /** The watch's or list's resourceVersion is older than what is kept. */
  expired: (message: string) => new StatusError(410, 'Expired', message),
  gone: (message: string) => new StatusError(410, 'Gone', message),
  tooManyRequests: (message: string, retryAfterSeconds: number) => new StatusError(429, 'TooManyRequests', message, { retryAfterSeconds }),
  timeout: (message: string, retryAfterSeconds = 0) =>
    new StatusError(504, 'Timeout', `Timeout: ${message}`, { ...(retryAfterSeconds ? { retryAfterSeconds } : {}) }),
  serverTimeout: (r: Named, verb: string, retryAfterSeconds: number) =>
    new StatusError(
      500,
      'ServerTimeout',
      `The ${verb} operation against ${dotted(r)} could not be completed at this time, please try again.`,
      { ...details(r, verb), retryAfterSeconds },
    ),
  serviceUnavailable: (message: string) => new StatusError(503, 'ServiceUnavailable', message),
  internal: (message: string) => new StatusError(500, 'InternalError', `Internal error occurred: ${message}`, { causes: [{ message }] }),
};

/** Whether `error` is an API error with this reason: `hasReason(e, 'NotFound')`. */
export function hasReason(error: unknown, reason: string): error is StatusError {
  return error instanceof StatusError && error.reason === reason;
}
