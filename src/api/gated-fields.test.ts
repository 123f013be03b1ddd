import { describe, expect, it } from 'vitest';
import { dropDisabledFields } from './gated-fields.ts';
import type { KubeObject, Resource } from './resource.ts';

const resource = (plural: string, group = '') => ({ group, plural, version: 'v1', kind: '', namespaced: true }) as unknown as Resource; // what is asked of one
const object = (parts: object) => ({ apiVersion: 'v1', kind: 'X', metadata: { name: 'x' }, ...parts }) as unknown as KubeObject; // parts of one

const stopping = (signal?: string) => ({
  name: 'c',
  lifecycle: { preStop: { sleep: { seconds: 1 } }, ...(signal ? { stopSignal: signal } : {}) },
});
const bundle = { clusterTrustBundle: { name: 'b', path: 'p' } };
const podSpec = () => ({
  containers: [stopping('SIGUSR1'), stopping()],
  initContainers: [stopping('SIGUSR1')],
  volumes: [
    { name: 'v', projected: { sources: [bundle, { secret: { name: 's' } }] } },
    { name: 'i', image: { reference: 'r' } },
  ],
});

/** The object without the fields of gates that are off: these. */
function dropped(given: object, of: Resource, off: readonly string[], prev?: object): Record<string, unknown> {
  const next = object(structuredClone(given));
  dropDisabledFields(of, next, prev && object(prev), (gate) => !off.includes(gate));
  return next as unknown as Record<string, unknown>; // to be looked at
}

describe('fields of features that are off', () => {
  it('go from pods, wherever they stand', () => {
    const off = ['ContainerStopSignals', 'ClusterTrustBundleProjection'];
    expect(dropped({ spec: podSpec() }, resource('pods'), off)).toMatchObject({
      spec: {
        containers: [stopping(), stopping()],
        initContainers: [stopping()],
        volumes: [{ projected: { sources: [{}, { secret: { name: 's' } }] } }, { image: { reference: 'r' } }],
      },
    });
    expect(dropped({ spec: podSpec() }, resource('pods'), [])).toMatchObject({ spec: podSpec() });
  });

  it.each([
    ['deployments', 'apps', (spec: object) => ({ spec: { template: { spec } } })],
    ['cronjobs', 'batch', (spec: object) => ({ spec: { jobTemplate: { spec: { template: { spec } } } } })],
    ['podtemplates', '', (spec: object) => ({ template: { spec } })],
  ])('go from the templates of %s', (plural, group, within) => {
    const { volumes } = podSpec();
    expect(dropped(within({ volumes }), resource(plural, group), ['ImageVolume'])).toMatchObject(within({ volumes: [volumes[0]] }));
  });

  it('stay where the object uses them already, all of their gate', () => {
    const prev = { spec: { containers: [stopping('SIGTERM')] } };
    expect(dropped({ spec: podSpec() }, resource('pods'), ['ContainerStopSignals'], prev)).toMatchObject({ spec: podSpec() });
    const unused = { spec: { containers: [stopping()] } };
    expect(dropped({ spec: podSpec() }, resource('pods'), ['ContainerStopSignals'], unused)).toMatchObject({
      spec: { initContainers: [stopping()] },
    });
  });

  it.each<[string, string, object, object]>([
    ['ContainerStopSignals', 'pods', { spec: { containers: [{ lifecycle: { stopSignal: 'SIGHUP' } }] } }, { spec: { containers: [{}] } }],
    [
      'ImageVolume',
      'pods',
      {
        spec: {
          containers: [{ volumeMounts: [{ name: 'i' }] }, { volumeMounts: [{ name: 'i' }, { name: 'v' }] }],
          volumes: [{ name: 'i', image: {} }],
        },
      },
      { spec: { containers: [{}, { volumeMounts: [{ name: 'v' }] }] } },
    ],
    [
      'ContainerRestartRules',
      'pods',
      {
        spec: {
          containers: [{ restartPolicy: 'Always', restartPolicyRules: [{}] }],
          initContainers: [{ restartPolicy: 'Always' }, { restartPolicy: 'Never' }],
        },
      },
      { spec: { containers: [{}], initContainers: [{ restartPolicy: 'Always' }, {}] } },
    ],
    [
      'ProcMountType',
      'pods',
      { spec: { containers: [{ securityContext: { procMount: 'Unmasked' } }] } },
      { spec: { containers: [{ securityContext: { procMount: 'Default' } }] } },
    ],
    [
      'ImageVolumeWithDigest',
      'pods',
      { status: { containerStatuses: [{ volumeMounts: [{ name: 'v', volumeStatus: {} }] }] } },
      { status: { containerStatuses: [{ volumeMounts: [{ name: 'v' }] }] } },
    ],
    ['DRAExtendedResource', 'pods', { status: { phase: 'Running', extendedResourceClaimStatus: {} } }, { status: { phase: 'Running' } }],
    [
      'DRAConsumableCapacity',
      'resourceclaims.resource.k8s.io',
      {
        spec: { devices: { requests: [{ exactly: { capacity: {} } }], constraints: [{ distinctAttribute: 'a' }] } },
        status: { allocation: { devices: { results: [{ shareID: 'x', consumedCapacity: {} }] } } },
      },
      { spec: { devices: { requests: [{ exactly: {} }], constraints: [{}] } }, status: { allocation: { devices: { results: [{}] } } } },
    ],
    [
      'WorkloadAwarePreemption',
      'workloads.scheduling.k8s.io',
      { spec: { podGroupTemplates: [{ name: 'a', priority: 1, disruptionMode: 'PodGroup', schedulingConstraints: {} }] } },
      { spec: { podGroupTemplates: [{ name: 'a', schedulingConstraints: {} }] } },
    ],
  ])('go with %s from %s', (gate, name, given, left) => {
    const [plural = '', ...group] = name.split('.');
    const of = resource(plural, group.join('.'));
    expect(dropped(given, of, [gate])).toEqual(object(left));
    expect(dropped(given, of, [gate], given)).toEqual(object(given));
    expect(dropped(given, of, [])).toEqual(object(given));
  });

  it('go from devices, drivers and claims', () => {
    const slice = { spec: { devices: [{ name: 'd', capacity: { memory: { value: '1Gi', requestPolicy: { default: '1' } } } }] } };
    expect(dropped(slice, resource('resourceslices', 'resource.k8s.io'), ['DRAConsumableCapacity'])).toMatchObject({
      spec: { devices: [{ capacity: { memory: { value: '1Gi' } } }] },
    });
    const listed = { spec: { devices: [{ attributes: { a: { strings: ['x'] }, b: { string: 'y' } } }] } };
    expect(dropped(listed, resource('resourceslices', 'resource.k8s.io'), ['DRAListTypeAttributes']).spec).toEqual({
      devices: [{ attributes: { a: {}, b: { string: 'y' } } }],
    });
    const driver = { spec: { attachRequired: true, preventPodSchedulingIfMissing: true } };
    expect(dropped(driver, resource('csidrivers', 'storage.k8s.io'), ['VolumeLimitScaling']).spec).toEqual({ attachRequired: true });
    const claim = (namespace?: string) => ({ spec: { dataSourceRef: { kind: 'K', name: 'n', ...(namespace ? { namespace } : {}) } } });
    const off = ['CrossNamespaceVolumeDataSource'];
    const claims = resource('persistentvolumeclaims');
    expect(dropped(claim('other'), claims, off).spec).toEqual({});
    expect(dropped(claim(), claims, off)).toMatchObject(claim());
    expect(dropped(claim('other'), claims, off, claim('other'))).toMatchObject(claim('other'));
  });
});
