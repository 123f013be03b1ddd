/** What k8ts makes of a history of writes, in the form that the oracle answers in. */
import { applyConfiguration, applyUpdate, type KubeObject, resourceNode, StatusError } from '../../src/api/index.ts';
import { type History, jsonSchemaOf } from './histories.ts';

export interface Outcome {
  object: Record<string, unknown>;
  /** Manager to the fields it owns, as FieldsV1. */
  managers: Record<string, unknown>;
  /** Manager to the fields that it owns and that another one wanted. */
  conflicts?: Record<string, string[]>;
  error?: string;
}

interface Thing extends KubeObject {
  [field: string]: unknown;
}

const frame = (object: Record<string, unknown>): Thing => ({
  ...object,
  apiVersion: 'v1',
  kind: 'Thing',
  metadata: { name: 'thing', uid: '', resourceVersion: '', creationTimestamp: '' },
});

function bare({ apiVersion: _a, kind: _k, metadata: _m, ...fields }: Thing): Record<string, unknown> {
  return fields;
}

function conflictsOf(error: StatusError): Record<string, string[]> {
  const out: Record<string, string[]> = {};
  for (const { message = '', field = '' } of error.status.details?.causes ?? []) {
    const manager = /^conflict with "(\w+)"/.exec(message)?.[1] ?? message;
    out[manager] = [...(out[manager] ?? []), field].sort();
  }
  return out;
}

export function replay({ type, operations }: History): Outcome[] {
  const node = resourceNode(jsonSchemaOf(type), 'Thing');
  let live: Thing | undefined;
  return operations.map(({ apply, force, manager, object }, i) => {
    const common = { node, manager, apiVersion: 'v1', time: new Date(i * 1000).toISOString() };
    const out: Partial<Outcome> = {};
    try {
      live = apply
        ? applyConfiguration<Thing>({ ...common, live, config: frame(object), force, decode: (value) => value })
        : applyUpdate<Thing>({ ...common, live, next: frame(object) });
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      if (error.status.reason === 'Conflict') out.conflicts = conflictsOf(error);
      else out.error = error.message;
    }
    const managers = Object.fromEntries((live?.metadata.managedFields ?? []).map((entry) => [entry.manager ?? '', entry.fieldsV1]));
    return { ...out, object: live ? bare(live) : {}, managers };
  });
}
