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
    // Where upstream's library is more lenient than the RFC.
    [{ a: 1 }, [{ op: 'replace', path: '/b', value: 2 }], { a: 1, b: 2 }],
    [{ a: 1 }, [{ op: 'copy', from: '/b', path: '/c' }], { a: 1, c: null }],
    [{ a: 1 }, [{ op: 'add', path: 'x/b' }], { a: 1, b: null }],
    [{ a: [1, 2] }, [{ op: 'add', path: '/a/-1', value: 3 }], { a: [1, 2, 3] }],
    [{ a: [1, 2] }, [{ op: 'replace', path: '/a/-2', value: 3 }], { a: [3, 2] }],
    [{ a: [1, 2] }, [{ op: 'remove', path: '/a/+01' }], { a: [1] }],
    [{ a: 1 }, [{ op: 'test', path: '/b' }], { a: 1 }],
  ])('%j with %j', (document, patch, result) => {
    const before = structuredClone(document);
    expect(applyJsonPatch(document, patch)).toEqual(result);
    expect(document).toEqual(before);
  });

  it.each([
    [[{ op: 'remove', path: '/x' }], "error in remove for path: '/x': Unable to remove nonexistent key: x: missing value"],
    [[{ op: 'replace', path: '/x/y', value: 1 }], 'replace operation does not apply: doc is missing path: /x/y: missing value'],
    [[{ op: 'add', path: '/x/y', value: 1 }], 'add operation does not apply: doc is missing path: "/x/y": missing value'],
    [[{ op: 'test', path: '/a', value: 2 }], 'testing value /a failed: test failed'],
    [[{ op: 'jump', path: '/a' }], 'Unexpected kind: jump'],
    [[{ path: '/a' }], 'Unexpected kind: unknown'],
    [[null], 'Unexpected kind: unknown'],
    [[{ op: 'add', path: 1 }], 'add operation failed to decode path: missing value'],
    [[{ op: 'test' }], 'test operation failed to decode path: operation missing path field: missing value'],
    [[{ op: 'test', path: 1 }], 'test operation failed to decode path: json: cannot unmarshal number into Go value of type string'],
    [[{ op: 'copy', path: '/a' }], 'copy operation failed to decode from: operation, missing from field: missing value'],
    [[{ op: 'test', path: '/x/y' }], 'test operation does not apply: is missing path: /x/y: missing value'],
    [[{ op: 'test', path: '/x', value: 1 }], 'testing value /x failed: test failed'],
    [[{ op: 'move', from: '/x', path: '/y' }], "error in move for path: 'x': Unable to remove nonexistent key: x: missing value"],
    [[{ op: 'move', from: '/a', path: '/a/b' }], 'move operation does not apply: doc is missing destination path: /a/b: missing value'],
    [[{ op: 'copy', from: '/a', path: '/x/y' }], 'copy operation does not apply: doc is missing destination path: /x/y: missing value'],
    [
      [{ op: 'add', path: '/l/x', value: 1 }],
      `error in add for path: '/l/x': value was not a proper array index: 'x': strconv.Atoi: parsing "x": invalid syntax`,
    ],
    [[{ op: 'add', path: '/l/3', value: 1 }], "error in add for path: '/l/3': Unable to access invalid index: 3: invalid index referenced"],
    [[{ op: 'remove', path: '/l/-3' }], "error in remove for path: '/l/-3': Unable to access invalid index: -3: invalid index referenced"],
    [[{ op: 'remove', path: '/l/-' }], `error in remove for path: '/l/-': strconv.Atoi: parsing "-": invalid syntax`],
    [[{ op: 'replace', path: '/l/2' }], 'replace operation does not apply: doc is missing key: /l/2: missing value'],
    [[{ op: 'add', path: '', value: {} }], 'add operation does not apply: doc is missing path: "": missing value'],
  ])('refuses %j', (patch, message) => {
    expect(() => applyJsonPatch({ a: 1, l: [1, 2] }, patch)).toThrow(message);
  });
});

describe('merge patch', () => {
  it('merges objects, deletes by null, replaces the rest', () => {
    expect(applyMergePatch({ a: { b: 1, c: 2 }, l: [1, 2] }, { a: { b: null, d: { e: null, f: 1 } }, l: [3] })).toEqual({
      a: { c: 2, d: { f: 1 } },
      l: [3],
    });
  });

  it("keeps nulls of lists' objects in the place of an object only", () => {
    const patch = { a: [null, { b: null }] };
    for (const a of [1, [{}], null]) expect(applyMergePatch({ a }, patch)).toEqual({ a: [null, {}] });
    expect(applyMergePatch({}, patch)).toEqual({ a: [null, {}] });
    expect(applyMergePatch({ a: {} }, patch)).toEqual(patch);
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
    // In the order of the patch.
    expect(result.spec.containers).toEqual([
      { name: 'two', image: 'new' },
      { name: 'three' },
      {
        name: 'one',
        image: 'i1',
        args: ['c'],
        env: [
          { name: 'B', value: '2' },
          { name: 'A', value: '1' },
        ],
      },
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
      'z',
      'y',
    ]);
    const order = { '$setElementOrder/finalizers': ['y', 'z', 'x'] };
    expect(patched({ metadata: order }).metadata.finalizers).toEqual(['y', 'x']);
    expect(patched({ metadata: { ...order, finalizers: ['z'] } }).metadata.finalizers).toEqual(['y', 'z', 'x']);
  });

  it('names what is wrong with a patch', () => {
    const wrong = (patch: unknown) => {
      try {
        return patched(patch);
      } catch (error) {
        return error instanceof PatchError ? `${error.reason}: ${error.message}` : error;
      }
    };
    for (const [patch, message] of [
      [{ spec: { containers: [{ image: 'x' }] } }, 'Unknown: map: map[image:x] does not contain declared merge key: name'],
      [{ spec: { containers: ['x'] } }, 'Unknown: list element types are not identical: ['],
      [{ spec: { containers: [null] } }, 'Unknown: list element types are not identical: ['],
      [{ spec: { containers: [{ name: 'one', $patch: 'merge' }] } }, 'Unknown: merging lists cannot yet be specified in the patch'],
      [{ metadata: { $patch: 'explode' } }, 'Unknown: unknown patch type: explode in map: map[$patch:explode]'],
      [{ metadata: { $patch: 5 } }, 'Unknown: unknown patch type: %!s(int64=5) in map: map[$patch:5]'],
      [{ metadata: { finalizers: [['x']] } }, 'Unknown: list element types are not identical: [[x y] [[x]]]'],
      [{ metadata: { $retainKeys: 'labels' } }, 'BadRequest: invalid patch format of retainKeys'],
      [{ metadata: { $retainKeys: ['labels'], name: 'x' } }, 'BadRequest: invalid patch format of retainKeys'],
      [{ metadata: { $setElementOrder: [] } }, 'BadRequest: invalid patch format of setElementOrder list'],
      [{ metadata: { $deleteFromPrimitiveList: [] } }, 'BadRequest: invalid patch format of primitive list'],
      [{ metadata: { '$setElementOrder/finalizers': 'x' } }, 'Unknown: expected a []interface {}, but received a string'],
      [{ metadata: { '$setElementOrder/x': [] } }, 'Unknown: unable to find api field in struct ObjectMeta for the json field "x"'],
      [
        { metadata: { '$setElementOrder/finalizers': ['y', 'x'], finalizers: ['x', 'y'] } },
        "Unknown: The order in patch list:\n[x y]\n doesn't match $setElementOrder list:\n[y x]\n",
      ],
    ] as const)
      expect(wrong(patch)).toSatisfy((text: unknown) => String(text).startsWith(message), message);
  });

  it('takes what is new as it is, but for nulls and directives', () => {
    const volume = { name: 'w', $retainKeys: ['name'], hostPath: { path: '/', type: null } };
    expect(patched({ spec: { volumes: [volume] } }).spec.volumes).toEqual([volume, { name: 'v', emptyDir: {} }]);
    expect(applyStrategicMergePatch({}, { metadata: { labels: { $patch: 'replace', a: '1' }, annotations: { a: null } } }, pod)).toEqual({
      metadata: { annotations: {} },
    });
    expect(applyStrategicMergePatch({ spec: {} }, { spec: { volumes: [volume, { $patch: 'delete' }] } }, pod)).toEqual({
      spec: { volumes: [{ ...volume, hostPath: { path: '/' } }] },
    });
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
