import { describe, expect, it } from 'vitest';
import { FieldErrors, fieldErrorMessage } from '../fields.ts';
import type { PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimStatus, PersistentVolumeSpec } from '../generated/core.v1.ts';
import { accept, rejectUpdate } from '../testing/accept.ts';
import { persistentVolume } from './persistent-volume.ts';
import { persistentVolumeClaim } from './persistent-volume-claim.ts';

const volume = (spec: Partial<PersistentVolumeSpec> = {}) => ({
  apiVersion: 'v1',
  kind: 'PersistentVolume',
  metadata: { name: 'disk' },
  spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/data' }, ...spec },
});

describe('PersistentVolume', () => {
  const since = '2026-01-01T00:00:00Z';
  const given = '2026-01-02T00:00:00Z';
  const now = '2026-01-03T00:00:00Z';
  it.each([
    [{ phase: 'Bound' }, since],
    [{ phase: 'Bound', lastPhaseTransitionTime: given }, given],
    [{ phase: 'Released' }, now],
    [{ phase: 'Released', lastPhaseTransitionTime: since }, now],
    [{ phase: 'Released', lastPhaseTransitionTime: given }, given],
  ])('knows since when it is in its phase: %j', (status, expected) => {
    const { status: strategy } = persistentVolume.subresources ?? {};
    if (typeof strategy !== 'object' || !('update' in strategy)) throw new Error('no status');
    const prev = { ...volume(), status: { phase: 'Bound', lastPhaseTransitionTime: since } } as PersistentVolume;
    const next = { ...prev, status: { ...status } } as PersistentVolume;
    strategy.update?.(next, prev, { now });
    expect(next.status?.lastPhaseTransitionTime).toBe(expected);
  });

  it.each<[object, string[]]>([
    [{ hostPath: { path: '/foo', type: 'Directory' } }, []],
    [
      { capacity: { storage: '-1Gi' } },
      [
        'spec.capacity[storage]: Invalid value: -1073741824: must be a valid resource quantity',
        'spec.capacity[storage]: Invalid value: "-1Gi": must be greater than zero',
      ],
    ],
    [{ capacity: { storage: '0' } }, ['spec.capacity[storage]: Invalid value: "0": must be greater than zero']],
    [
      { hostPath: { path: '/a/..' }, persistentVolumeReclaimPolicy: 'Recycle' },
      [
        'spec.hostPath.path: Invalid value: "/a/..": must not contain \'..\'',
        "spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'",
      ],
    ],
    [{ hostPath: { path: '/x' }, flexVolume: { driver: 'd' } }, []],
    [{ hostPath: undefined, local: { path: '/x' } }, ['spec.nodeAffinity: Required value: Local volume requires node affinity']],
    [
      { cephfs: { monitors: ['a'] }, local: { path: '/x' } },
      ['spec.cephFS: Forbidden: may not specify more than 1 volume type', 'spec.local: Forbidden: may not specify more than 1 volume type'],
    ],
  ])('%j', (spec, wrong) => expect(accept(volume(spec as Partial<PersistentVolumeSpec>)).wrong).toEqual(wrong));

  it('may have the beta names of its labels replaced, and no others', () => {
    const on = (key: string, values = ['a']) =>
      volume({
        nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ key, operator: 'In', values }] }] } },
      }) as unknown as PersistentVolume;
    const prev = on('failure-domain.beta.kubernetes.io/zone');
    expect(rejectUpdate(on('topology.kubernetes.io/zone'), prev)).toEqual([]);
    const wrong = [
      expect.stringMatching(/^nodeAffinity: Invalid value: .*: field is immutable, except for updating from beta label to GA$/),
    ];
    expect(rejectUpdate(on('topology.kubernetes.io/zone', ['b']), prev)).toEqual(wrong);
    expect(rejectUpdate(on('topology.kubernetes.io/region'), prev)).toEqual(wrong);
    expect(rejectUpdate(prev, on('topology.kubernetes.io/zone'))).toEqual(wrong);
  });
});

describe('PersistentVolumeClaim', () => {
  const annotation = 'volume.beta.kubernetes.io/storage-class';
  const claim = (annotations: Record<string, string>, storageClassName?: string) =>
    ({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'c', annotations },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...(storageClassName && { storageClassName }) },
    }) as unknown as PersistentVolumeClaim;

  it('may move its class from the annotation to the field, and change neither otherwise', () => {
    expect(rejectUpdate(claim({}, 'fast'), claim({ [annotation]: 'fast' }))).toEqual([]);
    expect(rejectUpdate(claim({ [annotation]: 'slow' }), claim({ [annotation]: 'fast' }))).toEqual([
      `metadata.annotations.${annotation}: Invalid value: "slow": field is immutable`,
    ]);
  });

  it.each<[object, string[]]>([
    [{ allocatedResources: { storage: '1Gi', 'example.com/foo': '1' }, allocatedResourceStatuses: { storage: 'NodeResizePending' } }, []],
    [{ capacity: { storage: '-1' } }, ['status.capacity[storage]: Invalid value: -1: must be a valid resource quantity']],
    [{ allocatedResources: { cpu: '1' } }, ['status.allocatedResources: Unsupported value: "cpu": supported values: "storage"']],
    [
      { allocatedResourceStatuses: { storage: 'Lost' } },
      [
        'status.allocatedResourceStatuses: Unsupported value: "storage": supported values: "ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress", "NodeResizeInfeasible", "NodeResizePending"',
      ],
    ],
  ])('has its status %j checked', (status, wrong) => {
    const { status: strategy } = persistentVolumeClaim.subresources ?? {};
    if (typeof strategy !== 'object') throw new Error('no status');
    const errors = new FieldErrors();
    const next = { ...claim({}), status: status as PersistentVolumeClaimStatus };
    strategy.validate?.(next, next, errors);
    expect(errors.list.map(fieldErrorMessage)).toEqual(wrong);
  });
});
