import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { structNode } from '../schema/table.ts';
import { applyJsonPatch, PatchError } from './json-patch.ts';
import { applyMergePatch } from './merge-patch.ts';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';

describe('JSON patch', () => {
  it.each([
    [{ a: 1 }, [{ op: 'add', path: '/b', value: [1] }], { a: 1, b: [1] }],
    [{ a: [1, 3] }, [{ op: 'add', path: '/a/1', value: 2 }], { a: [1, 2, 3] }],
    [{ a: [1] }, [{ op: 'add', path: '/a/-', value: 2 }], { a: [1, 2] }],
    [
      { 'a/b': 1, 'm~n': 2 },
      [
        { op: 'remove', path: '/a~1b' },
        { op: 'test', path: '/m~0n', value: 2 },
      ],
      { 'm~n': 2 },
    ],
    [{ a: { b: 1 } }, [{ op: 'move', from: '/a/b', path: '/c' }], { a: {}, c: 1 }],
    [
      { a: { b: 1 } },
      [
        { op: 'copy', from: '/a', path: '/c' },
        { op: 'replace', path: '/c/b', value: 2 },
      ],
      { a: { b: 1 }, c: { b: 2 } },
    ],
    [{ a: 1 }, [{ op: 'replace', path: '', value: { b: 1 } }], { b: 1 }],
  ])('%j with %j', (document, patch, result) => {
    const before = structuredClone(document);
    expect(applyJsonPatch(document, patch)).toEqual(result);
    expect(document).toEqual(before);
  });

  it.each([
    [
      [{ op: 'remove', path: '/x' }],
      "remove operation does not apply: error in remove for path: '/x': unable to remove nonexistent key: x: missing value",
    ],
    [[{ op: 'replace', path: '/x/y', value: 1 }], 'replace operation does not apply: doc is missing path: /x/y: missing value'],
    [[{ op: 'add', path: '/x/y', value: 1 }], 'add operation does not apply: doc is missing path: "/x/y": missing value'],
    [[{ op: 'test', path: '/a', value: 2 }], 'testing value /a failed: test failed'],
    [[{ op: 'jump', path: '/a' }], 'Unexpected kind: jump'],
  ])('refuses %j', (patch, message) => {
    expect(() => applyJsonPatch({ a: 1 }, patch)).toThrow(new PatchError(message));
  });
});

describe('merge patch', () => {
  it('merges objects, deletes by null, replaces the rest', () => {
    expect(applyMergePatch({ a: { b: 1, c: 2 }, l: [1, 2] }, { a: { b: null, d: { e: null, f: 1 } }, l: [3] })).toEqual({
      a: { c: 2, d: { f: 1 } },
      l: [3],
    });
  });
});

describe('strategic merge patch', () => {
  const pod = structNode('core.v1.Pod');
  const deployment = structNode('apps.v1.Deployment');
  const original = {
    metadata: { labels: { a: '1' }, finalizers: ['x', 'y'] },
    spec: {
      containers: [
        { name: 'one', image: 'i1', args: ['a', 'b'], env: [{ name: 'A', value: '1' }] },
        { name: 'two', image: 'i2' },
      ],
      tolerations: [{ key: 'k' }],
      volumes: [{ name: 'v', emptyDir: {} }],
    },
  };
  const patched = (patch: unknown) => applyStrategicMergePatch(original, patch, pod) as typeof original;

  it('merges lists by their merge key and replaces others', () => {
    const result = patched({
      spec: {
        containers: [{ name: 'two', image: 'new' }, { name: 'three' }, { name: 'one', args: ['c'], env: [{ name: 'B', value: '2' }] }],
        tolerations: [],
      },
    });
    expect(result.spec.containers).toEqual([
      {
        name: 'one',
        image: 'i1',
        args: ['c'],
        env: [
          { name: 'A', value: '1' },
          { name: 'B', value: '2' },
        ],
      },
      { name: 'two', image: 'new' },
      { name: 'three' },
    ]);
    expect(result.spec.tolerations).toEqual([]);
    expect(result.metadata).toBe(original.metadata);
  });

  it('obeys $patch: delete and replace', () => {
    expect(patched({ spec: { containers: [{ name: 'one', $patch: 'delete' }] } }).spec.containers).toEqual([{ name: 'two', image: 'i2' }]);
    expect(patched({ spec: { containers: [{ $patch: 'replace' }, { name: 'only' }] } }).spec.containers).toEqual([{ name: 'only' }]);
    expect(patched({ metadata: { labels: { $patch: 'replace', b: '2' } } }).metadata.labels).toEqual({ b: '2' });
    expect(patched({ metadata: { labels: { $patch: 'delete' } } }).metadata.labels).toEqual({});
  });

  it('obeys $retainKeys', () => {
    const strategy = { spec: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } } };
    expect(applyStrategicMergePatch(strategy, { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } }, deployment)).toEqual({
      spec: { strategy: { type: 'Recreate' } },
    });
    expect(
      patched({ spec: { volumes: [{ name: 'v', $retainKeys: ['name', 'hostPath'], hostPath: { path: '/' } }] } }).spec.volumes,
    ).toEqual([{ name: 'v', hostPath: { path: '/' } }]);
  });

  it('obeys $setElementOrder and $deleteFromPrimitiveList', () => {
    expect(
      patched({
        spec: { '$setElementOrder/containers': [{ name: 'two' }, { name: 'three' }, { name: 'one' }], containers: [{ name: 'three' }] },
      }).spec.containers.map((c) => c.name),
    ).toEqual(['two', 'three', 'one']);
    expect(patched({ metadata: { '$deleteFromPrimitiveList/finalizers': ['x'], finalizers: ['z'] } }).metadata.finalizers).toEqual([
      'y',
      'z',
    ]);
  });

  it('names what is wrong with a patch', () => {
    expect(() => patched({ spec: { containers: [{ image: 'x' }] } })).toThrow(
      'map: {"image":"x"} does not contain declared merge key: name',
    );
    expect(() => patched({ metadata: { $patch: 'explode' } })).toThrow('Unknown patch type found: explode');
  });

  it('throws nothing but a PatchError, pollutes nothing and leaves the document alone, whatever the patch', () => {
    const keys = fc.constantFrom(
      'metadata',
      'spec',
      'containers',
      'name',
      'labels',
      'finalizers',
      '$patch',
      '$retainKeys',
      '$setElementOrder/containers',
      '$deleteFromPrimitiveList/finalizers',
      '__proto__',
      'op',
      'path',
    );
    const json = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'medium' },
        fc.constantFrom(null, true, 1, 'one', 'delete', 'replace', 'add', '/spec/containers/0'),
        fc.array(tie('value')),
        fc.dictionary(keys, tie('value')),
      ),
    })).value;
    const before = structuredClone(original);
    fc.assert(
      fc.property(json, (raw) => {
        // As a body arrives: __proto__ is an own key.
        const patch = JSON.parse(JSON.stringify(raw));
        for (const apply of [applyJsonPatch, applyMergePatch, (o: unknown, p: unknown) => applyStrategicMergePatch(o, p, pod)]) {
          try {
            apply(original, patch);
          } catch (error) {
            if (!(error instanceof PatchError)) throw error;
          }
        }
        expect(original).toEqual(before);
        expect(Object.keys(Object.prototype)).toEqual([]);
      }),
    );
  });
});
