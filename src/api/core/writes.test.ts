/** Writes of the core group, as upstream's own tables of good and bad objects have them: what is kept, and what is said. */
import { describe, expect, it } from 'vitest';
import { FieldErrors, fieldErrorMessage } from '../fields.ts';
import { accept, served } from '../testing/accept.ts';

const metadata = { name: 'a', namespace: 'ns' };
const object = (kind: string, rest: object) => ({ apiVersion: 'v1', kind, metadata, ...rest });
const container = { name: 'c', image: 'i', imagePullPolicy: 'IfNotPresent', terminationMessagePolicy: 'File' };
const podOf = (own: object, spec: object = {}) => object('Pod', { spec: { containers: [{ ...container, ...own }], ...spec } });
const claim = (spec: object) =>
  object('PersistentVolumeClaim', { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...spec } });
const volume = (spec: object) =>
  object('PersistentVolume', {
    metadata: { name: 'a' },
    spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, hostPath: { path: '/a' }, ...spec },
  });
const controller = (labels: object | undefined, annotations = {}) =>
  object('ReplicationController', {
    metadata: { ...metadata, annotations },
    spec: { selector: { a: 'b' }, template: { metadata: { labels }, spec: { containers: [container] } } },
  });

describe('a create', () => {
  it.each<[string, { apiVersion: string; kind: string }, string[]]>([
    [
      'takes no event about something elsewhere',
      object('Event', { involvedObject: { kind: 'Pod', namespace: 'other' }, eventTime: null }),
      ['involvedObject.namespace: Invalid value: "other": does not match event.namespace'],
    ],
    [
      'lets a scope of pods limit what they use, and nothing else',
      object('ResourceQuota', { spec: { hard: { cpu: '1', 'limits.cpu': '2' }, scopes: ['CrossNamespacePodAffinity'] } }),
      [],
    ],
    [
      'knows no scope for ephemeral storage',
      object('ResourceQuota', { spec: { hard: { 'limits.ephemeral-storage': '1' }, scopes: ['NotBestEffort'] } }),
      ['spec.scopes: Invalid value: ["NotBestEffort"]: unsupported scope applied to resource'],
    ],
    [
      'tells an empty volume mode from none',
      claim({ volumeMode: '' }),
      ['spec.volumeMode: Unsupported value: "": supported values: "Block", "Filesystem"'],
    ],
    [
      'wants a capacity',
      volume({ capacity: undefined }),
      ['spec.capacity: Required value', 'spec.capacity: Unsupported value: null: supported values: "storage"'],
    ],
    [
      'wants one data source',
      claim({ dataSource: { kind: 'PersistentVolumeClaim', name: 'b' }, dataSourceRef: { kind: 'PersistentVolumeClaim', name: 'c' } }),
      ['spec: Invalid value: {}: must match dataSourceRef'],
    ],
    [
      'knows which fields have keys',
      podOf({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: "metadata.name['key']" } } }] }),
      [
        "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: \"metadata.name['key']\": error converting fieldPath: field label does not support subscript: metadata.name['key']",
      ],
    ],
    [
      'shows that there are no labels',
      controller(undefined),
      ['spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`'],
    ],
  ])('%s', (_, sent, wrong) => {
    expect(accept(sent).wrong).toEqual(wrong);
  });

  it('drops a data source that none could be made from', () => {
    const source = { apiGroup: 'example.com', kind: 'Generic', name: 'b' };
    expect(accept(claim({ dataSource: source })).stored).not.toHaveProperty('spec.dataSource');
    expect(accept(claim({ dataSourceRef: source })).stored).toMatchObject({ spec: { dataSource: source, dataSourceRef: source } });
  });
});

describe('an update', () => {
  /** What a kind says beside what it says of every object. */
  const update = (next: { apiVersion: string; kind: string }, prev: { apiVersion: string; kind: string }) => {
    const { definition } = served(next) ?? {};
    const errors = new FieldErrors();
    definition?.validateUpdate?.(accept(next).stored, accept(prev).stored, errors);
    return errors.list.map(fieldErrorMessage);
  };
  const nonConvertible = { 'non-convertible.kubernetes.io/spec.selector': 'no way' };
  const affinity = (key: string) => ({ required: { nodeSelectorTerms: [{ matchExpressions: [{ key, operator: 'Exists' }] }] } });

  it.each([
    [
      'keeps a selector that another version can not hold',
      { ...controller({ a: 'b' }, nonConvertible), spec: { selector: { a: 'c' } } },
      controller({ a: 'b' }, nonConvertible),
      ['spec.selector: Invalid value: {"a":"c"}: cannot update non-convertible selector'],
    ],
    [
      "shows a volume's node affinity",
      volume({ nodeAffinity: affinity('b') }),
      volume({ nodeAffinity: affinity('a') }),
      [
        'nodeAffinity: Invalid value: {"Required":{"NodeSelectorTerms":[{"MatchExpressions":[{"Key":"b","Operator":"Exists","Values":null}],"MatchFields":null}]}}: field is immutable, except for updating from beta label to GA',
      ],
    ],
  ])('%s', (_, next, prev, wrong) => {
    expect(update(next, prev)).toEqual(wrong);
  });

  it("shows what changed of a volume's source and no more", () => {
    const [wrong] = update(volume({ hostPath: { path: '/b' } }), volume({}));
    expect(wrong).toContain(
      'spec.persistentvolumesource is immutable after creation\n@@ -2,7 +2,7 @@\n  "GCEPersistentDisk": null,\n  "AWSElasticBlockStore": null,\n  "HostPath": {\n-  "Path": "/a",\n+  "Path": "/b",\n   "Type": ""\n  },\n',
    );
  });
});
