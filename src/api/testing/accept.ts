/** For tests of kinds: what becomes of an object that a client sends, without a server. */
import { decodeJson } from '../decode-object.ts';
import { FieldErrors, fieldErrorMessage } from '../fields.ts';
import type { KindDefinition, ServedVersion } from '../kind.ts';
import { kinds } from '../kinds.ts';
import { defaultColumns } from '../printing.ts';
import { apiVersionOf, type KubeObject, parseApiVersion, type Resource } from '../resource.ts';

/** Finds who serves an object. */
export function served({
  apiVersion,
  kind,
}: {
  apiVersion: string;
  kind: string;
}): { definition: KindDefinition; version?: ServedVersion } | undefined {
  const is = (r: Resource) => apiVersionOf(r) === apiVersion && r.kind === kind;
  for (const definition of kinds) {
    if (is(definition.resource)) return { definition };
    const version = definition.versions?.find((v) => is(v.resource));
    if (version) return { definition, version };
  }
  return undefined;
}

/** What a create makes of an object: the stored form, and what is wrong with it; `isEnabled`: which features are on. */
export function accept<T extends { apiVersion: string; kind: string }>(
  sent: T,
  isEnabled?: (gate: string) => boolean,
): {
  stored: KubeObject;
  wrong: string[];
  warning: string | undefined;
} {
  const found = served(sent);
  if (!found) throw new Error(`${sent.apiVersion} ${sent.kind} is not served`);
  const { definition, version } = found;
  const { object } = decodeJson(JSON.stringify(sent), { ...parseApiVersion(sent.apiVersion), kind: sent.kind });
  version?.defaults?.(object);
  const stored = version ? version.toStorage(object) : object;
  definition.defaults?.(stored);
  stored.metadata = { ...stored.metadata, uid: 'the-uid' };
  definition.create?.(stored, { now: '2026-01-01T00:00:00Z', version: parseApiVersion(sent.apiVersion).version });
  const errors = new FieldErrors(isEnabled);
  definition.validateFirst?.(stored, undefined, errors);
  definition.validate?.(stored, errors);
  const { validateCreate } = { ...definition, ...version?.overrides };
  validateCreate?.(stored, errors);
  return { stored, wrong: errors.list.map(fieldErrorMessage), warning: version?.warning };
}

/** What is wrong with an update from `prev` to `next`, both as stored; `whole`: also with what `next` is by itself, and was not before. */
export function rejectUpdate(next: KubeObject, prev: KubeObject, { whole = false } = {}): string[] {
  const { definition } = served(next) ?? {};
  const errors = new FieldErrors();
  definition?.validateFirst?.(next, prev, errors);
  if (whole) definition?.validate?.(next, errors);
  definition?.validateUpdate?.(next, prev, errors);
  errors.dropKept(() => {
    const before = new FieldErrors();
    definition?.validate?.(prev, before);
    return before;
  });
  return errors.list.map(fieldErrorMessage);
}

/** What is wrong with an update of the status from `prev` to `next`, both as stored. */
export function rejectStatus(next: KubeObject, prev: KubeObject): string[] {
  const status = served(next)?.definition.subresources?.status;
  const errors = new FieldErrors();
  if (typeof status === 'object') status.validate?.(next, prev, errors);
  return errors.list.map(fieldErrorMessage);
}

/** The row that `kubectl get -o wide` shows: cells by column names. */
export function row<T extends { apiVersion: string; kind: string }>(
  written: T,
  nowMs = Date.parse('2026-01-01T00:10:00Z'),
): Record<string, unknown> {
  const { definition } = served(written) ?? {};
  // Tests write down of an object what its columns read.
  const object = written as unknown as KubeObject;
  return Object.fromEntries((definition?.columns ?? defaultColumns).map((column) => [column.name, column.value(object, nowMs)]));
}
