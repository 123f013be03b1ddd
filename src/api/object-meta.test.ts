import { describe, expect, it } from 'vitest';
import { deepEqual, semanticEqual, shareUnchanged } from './equality.ts';
import { FieldErrors, FieldPath, fieldErrorMessage } from './fields.ts';
import { validateConditions, validateLabelSelector, validateObjectMeta, validateObjectMetaUpdate } from './object-meta.ts';

const messages = (run: (errors: FieldErrors) => void) => {
  const errors = new FieldErrors();
  run(errors);
  return errors.list.map(fieldErrorMessage);
};

describe('metadata', () => {
  it('demands a name and, of a namespaced kind, a namespace', () => {
    expect(messages((e) => validateObjectMeta({}, { namespaced: true }, e))).toEqual([
      'metadata.name: Required value: name or generateName is required',
      'metadata.namespace: Required value',
    ]);
    expect(messages((e) => validateObjectMeta({ name: 'a', namespace: 'b' }, { namespaced: false }, e))).toEqual([
      'metadata.namespace: Forbidden: not allowed on this type',
    ]);
  });

  it('refuses two controllers, bad finalizers and bad labels', () => {
    const owner = { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u', controller: true };
    expect(
      messages((e) =>
        validateObjectMeta(
          { name: 'a', ownerReferences: [owner, owner], finalizers: ['orphan', 'foregroundDeletion'], labels: { ok: '-' } },
          { namespaced: false },
          e,
        ),
      ),
    ).toEqual([
      expect.stringMatching(/^metadata.labels: Invalid value: "-": a valid label must be an empty string or consist of/),
      expect.stringMatching(/Only one reference can have Controller set to true. Found "true" in references for Pod\/p and Pod\/p$/),
      'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set',
    ]);
  });

  it('keeps identity immutable and forbids new finalizers during deletion', () => {
    const prev = { name: 'a', uid: '1', resourceVersion: '1', deletionTimestamp: '2020-01-01T00:00:00Z' };
    expect(messages((e) => validateObjectMetaUpdate({ ...prev, uid: '2', finalizers: ['x/y'] }, prev, e))).toEqual([
      'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"x/y"}',
      'metadata.uid: Invalid value: "2": field is immutable',
    ]);
  });

  it('validates conditions', () => {
    const wrong = { type: ':invalid', status: 'unknown', observedGeneration: -1, reason: 'invalid;val' };
    // What a client sends may lack what the type demands.
    const conditions = [wrong, { type: 'First' }, { type: 'First' }, {}] as unknown as Parameters<typeof validateConditions>[0];
    expect(messages((e) => validateConditions(conditions, new FieldPath('conditions'), e))).toEqual([
      expect.stringMatching(/^conditions\[0\].type: Invalid value: ":invalid": name part must consist of/),
      'conditions[0].status: Unsupported value: "unknown": supported values: "False", "True", "Unknown"',
      'conditions[0].observedGeneration: Invalid value: -1: must be greater than or equal to zero',
      'conditions[0].lastTransitionTime: Required value',
      expect.stringMatching(/^conditions\[0\].reason: Invalid value: "invalid;val": a condition reason must start with/),
      'conditions[1].status: Unsupported value: "": supported values: "False", "True", "Unknown"',
      'conditions[1].lastTransitionTime: Required value',
      'conditions[1].reason: Required value',
      'conditions[2].type: Duplicate value: "First"',
      'conditions[2].status: Unsupported value: "": supported values: "False", "True", "Unknown"',
      'conditions[2].lastTransitionTime: Required value',
      'conditions[2].reason: Required value',
      'conditions[3].type: Invalid value: "": name part must be non-empty',
      expect.stringMatching(/^conditions\[3\].type: Invalid value: "": name part must consist of/),
      'conditions[3].status: Unsupported value: "": supported values: "False", "True", "Unknown"',
      'conditions[3].lastTransitionTime: Required value',
      'conditions[3].reason: Required value',
    ]);
  });

  it('validates label selectors', () => {
    const path = new FieldPath('spec.selector');
    expect(messages((e) => validateLabelSelector({ matchExpressions: [{ key: 'a', operator: 'In' }] }, path, e))).toEqual([
      "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
    ]);
  });
});

describe('equality', () => {
  it('compares JSON, and for semantic equality takes empty for unset', () => {
    expect(deepEqual({ a: 1, b: [1, { c: null }] }, { b: [1, { c: null }], a: 1 })).toBe(true);
    expect(deepEqual({ a: [] }, {})).toBe(false);
    expect(semanticEqual({ a: [], b: {} }, {})).toBe(true);
    expect(semanticEqual({ a: 0 }, {})).toBe(false);
  });

  it('shares what did not change', () => {
    const prev = { spec: { a: [1, 2] }, status: { x: 1 } };
    const next = shareUnchanged(prev, { spec: { a: [1, 2] }, status: { x: 2 } });
    expect(next.spec).toBe(prev.spec);
    expect(next.status).toEqual({ x: 2 });
    expect(shareUnchanged(prev, structuredClone(prev))).toBe(prev);
  });
});
