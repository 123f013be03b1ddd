import { describe, expect, it } from 'vitest';
import { accept, rejectUpdate } from '../testing/accept.ts';

const object = (kind: string, rest: object) => ({ apiVersion: 'storage.k8s.io/v1', kind, metadata: { name: 'example.com' }, ...rest });
const attachment = (source: object, attacher = 'csi.example.com') =>
  object('VolumeAttachment', { spec: { attacher, nodeName: 'node-1', source } });

describe('kinds of storage.k8s.io', () => {
  it.each<[{ apiVersion: string; kind: string }, string[]]>([
    [attachment({ persistentVolumeName: 'pv' }), []],
    [attachment({ persistentVolumeName: 'pv' }, ''), ['spec.attacher: Required value']],
    [attachment({}), ['spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName']],
    [
      attachment({
        inlineVolumeSpec: {
          accessModes: ['ReadWriteOnce'],
          capacity: { storage: '1Gi' },
          persistentVolumeReclaimPolicy: 'Delete',
          storageClassName: 'fast',
          volumeMode: 'Block',
          hostPath: { path: '/x' },
        },
      }),
      [
        'spec.source.inlineVolumeSpec.capacity: Forbidden: may not be specified in the context of inline volumes',
        'spec.source.inlineVolumeSpec.csi: Required value: has to be specified in the context of inline volumes',
        'spec.source.inlineVolumeSpec.persistentVolumeReclaimPolicy: Forbidden: may only be Retain in the context of inline volumes',
        'spec.source.inlineVolumeSpec.storageClassName: Forbidden: may not be specified in the context of inline volumes',
        'spec.source.inlineVolumeSpec.volumeMode: Forbidden: may not specify volumeMode other than Filesystem in the context of inline volumes',
      ],
    ],
    [object('CSINode', { spec: { drivers: [{ name: 'a.example.com', nodeID: 'x'.repeat(256) }] } }), []],
    [
      object('CSINode', { spec: { drivers: [{ name: 'a.example.com', nodeID: 'x'.repeat(257) }] } }),
      [expect.stringMatching(/^spec.drivers\[0\].nodeID: Invalid value: "x+": must be 256 characters or less$/)],
    ],
    [
      object('CSIDriver', { spec: { tokenRequests: [{ audience: 'a' }, { audience: 'a', expirationSeconds: 1 }] } }),
      ['spec.tokenRequests[1].audience: Duplicate value: "a"'],
    ],
    [
      object('CSIDriver', { spec: { nodeAllocatableUpdatePeriodSeconds: 9, serviceAccountTokenInSecrets: false } }),
      [
        'spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 9: must be greater than or equal to 10 seconds',
        'spec.serviceAccountTokenInSecrets: Invalid value: false: serviceAccountTokenInSecrets is set but no tokenRequests are specified',
      ],
    ],
    [object('CSIDriver', { metadata: { name: 'a'.repeat(70) } }), []],
    [object('VolumeAttributesClass', { driverName: 'example.com/Fast', parameters: { a: 'b' } }), []],
    [
      object('StorageClass', {
        provisioner: 'x',
        allowedTopologies: [
          { matchLabelExpressions: [{ key: 'zone', values: ['a', 'b'] }] },
          { matchLabelExpressions: [{ key: 'zone', values: ['b', 'a'] }] },
        ],
      }),
      ['allowedTopologies[1].matchLabelExpressions: Duplicate value: ""'],
    ],
    [
      { ...attachment({ persistentVolumeName: 'pv' }), ...{ status: { attached: false, attachError: { errorCode: -1 } } } },
      ['status.attachError.errorCode: Invalid value: -1: must be between 0 and 2147483647, inclusive'],
    ],
    [
      object('StorageClass', { provisioner: 'Example.com/A B' }),
      [expect.stringContaining('provisioner: Invalid value: "example.com/a b": name part')],
    ],
  ])('%j', (sent, wrong) => expect(accept(sent).wrong).toEqual(wrong));

  it('a driver of a node keeps all but what it can allocate', () => {
    const node = (driver: object) =>
      accept(object('CSINode', { spec: { drivers: [{ name: 'a.example.com', nodeID: 'n', ...driver }] } })).stored;
    expect(rejectUpdate(node({ allocatable: { count: 2 } }), node({}))).toEqual([]);
    expect(rejectUpdate(node({ nodeID: 'm' }), node({}))).toEqual([
      'spec.drivers: Invalid value: {"Name":"a.example.com","NodeID":"m","TopologyKeys":null,"Allocatable":null}: field is immutable',
    ]);
  });
});
