import { describe, expect, it } from 'vitest';
import { deepCopy } from '../equality.ts';
import type { KubeObject } from '../resource.ts';
import { accept, rejectUpdate, row, served } from '../testing/accept.ts';

const labels = { app: 'web' };
const template = { metadata: { labels }, spec: { containers: [{ name: 'web', image: 'nginx:1' }] } };
const workload = (kind: string, spec: object = {}) => ({
  apiVersion: 'apps/v1',
  kind,
  metadata: { name: 'web', namespace: 'default', creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: { selector: { matchLabels: labels }, template, ...spec },
});

/** A stored object with parts replaced. */
function changed(object: KubeObject, change: (copy: KubeObject & { spec: Record<string, unknown> }) => void): KubeObject {
  // Every kind here has a spec.
  const copy = deepCopy(object) as KubeObject & { spec: Record<string, unknown> };
  change(copy);
  return copy;
}

describe('defaults', () => {
  it.each([
    [
      'Deployment',
      {
        replicas: 1,
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' } },
        revisionHistoryLimit: 10,
        progressDeadlineSeconds: 600,
      },
    ],
    [
      'DaemonSet',
      { updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } }, revisionHistoryLimit: 10 },
    ],
    [
      'StatefulSet',
      {
        podManagementPolicy: 'OrderedReady',
        updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
        persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
        replicas: 1,
      },
    ],
    ['ReplicaSet', { replicas: 1 }],
  ])('of a %s are those of upstream', (kind, spec) => {
    const { stored, wrong } = accept(workload(kind));
    expect(wrong).toEqual([]);
    expect(stored).toMatchObject({ spec: { ...spec, template: { spec: { restartPolicy: 'Always', dnsPolicy: 'ClusterFirst' } } } });
  });
});

describe('validation', () => {
  const notPercent =
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
  const mismatch = 'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`';
  it.each<[string, object, string[]]>([
    ['Deployment', { replicas: -1 }, ['spec.replicas: Invalid value: -1: must be greater than or equal to 0']],
    ['Deployment', { selector: null }, ['spec.selector: Required value', mismatch]],
    ['Deployment', { selector: {} }, ['spec.selector: Invalid value: {}: empty selector is invalid for deployment']],
    ['ReplicaSet', { selector: {} }, ['spec.selector: Invalid value: {}: empty selector is invalid for deployment']],
    [
      'Deployment',
      { selector: { matchExpressions: [{ key: 'app', operator: 'Near' }] } },
      [
        'spec.selector.matchExpressions[0].operator: Invalid value: "Near": not a valid selector operator',
        'spec.selector: Invalid value: {"matchExpressions":[{"key":"app","operator":"Near"}]}: invalid label selector',
      ],
    ],
    ['Deployment', { selector: { matchLabels: { app: 'api' } } }, [mismatch]],
    ['ReplicaSet', { selector: { matchLabels: { app: 'api' } } }, [mismatch]],
    ['StatefulSet', { selector: { matchLabels: { app: 'api' } } }, [mismatch]],
    ['DaemonSet', { selector: { matchLabels: { app: 'api' } } }, [mismatch]],
    [
      'Deployment',
      { strategy: { type: 'Recreate', rollingUpdate: {} } },
      ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
    ],
    [
      'Deployment',
      { strategy: { type: 'Slow' } },
      ['spec.strategy: Unsupported value: {"Type":"Slow","RollingUpdate":null}: supported values: "Recreate", "RollingUpdate"'],
    ],
    [
      'Deployment',
      { strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: '0%' } } },
      ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0'],
    ],
    [
      'Deployment',
      { strategy: { rollingUpdate: { maxUnavailable: '150%' } } },
      ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "150%": must not be greater than 100%'],
    ],
    [
      'Deployment',
      { strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 'some' } } },
      [
        `spec.strategy.rollingUpdate.maxSurge: Invalid value: "some": ${notPercent}`,
        'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0',
      ],
    ],
    ['Deployment', { minReadySeconds: 600 }, ['spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds']],
    [
      'DaemonSet',
      { template: { ...template, spec: { ...template.spec, restartPolicy: 'Never' } } },
      ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
    ],
    [
      'DaemonSet',
      { updateStrategy: { rollingUpdate: { maxUnavailable: 1, maxSurge: 1 } } },
      ['spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero'],
    ],
    [
      'StatefulSet',
      { podManagementPolicy: 'Any' },
      [`spec.podManagementPolicy: Invalid value: "Any": must be 'OrderedReady' or 'Parallel'`],
    ],
  ])('of a %s with %j', (kind, spec, messages) => {
    expect(accept(workload(kind, spec)).wrong).toEqual(messages);
  });

  describe('of a StatefulSet’s pods and claims', () => {
    const mounts = (name: string, more: object = {}) => ({
      metadata: { labels },
      spec: { containers: [{ name: 'c', image: 'busybox', volumeMounts: [{ name, mountPath: '/data' }] }], ...more },
    });
    const claim = (spec: object = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } }) => ({
      metadata: { name: 'data' },
      spec,
    });

    it('finds claims among the volumes, once', () => {
      const volumes = [{ name: 'data', emptyDir: {} }];
      expect(accept(workload('StatefulSet', { template: mounts('data', { volumes }), volumeClaimTemplates: [claim()] })).wrong).toEqual([]);
      expect(accept(workload('StatefulSet', { template: mounts('logs'), volumeClaimTemplates: [claim()] })).wrong).toEqual([
        'spec.template.spec.containers[0].volumeMounts[0].name: Not found: "logs"',
      ]);
    });

    it('asks for claims and a service that could be', () => {
      expect(accept(workload('StatefulSet', { serviceName: 'a.b', volumeClaimTemplates: [claim({})] })).wrong).toEqual([
        'spec.volumeClaimTemplates[0].spec.accessModes: Required value: at least 1 access mode is required',
        'spec.volumeClaimTemplates[0].spec.resources[storage]: Required value',
        'spec.serviceName: Invalid value: "a.b": must not contain dots',
      ]);
    });

    it('lets what was stored before this was asked be scaled', () => {
      const { stored: old } = accept(
        workload('StatefulSet', { serviceName: 'a.b', template: mounts('logs'), volumeClaimTemplates: [claim({})] }),
      );
      const scaled = changed(old, ({ spec }) => {
        spec.replicas = 3;
      });
      expect(rejectUpdate(scaled, old)).toEqual([]);
      const { stored: valid } = accept(workload('StatefulSet'));
      const { stored: broken } = accept(workload('StatefulSet', { template: mounts('logs') }));
      expect(rejectUpdate(broken, valid)).toEqual(['spec.template.spec.containers[0].volumeMounts[0].name: Not found: "logs"']);
    });
  });

  it('keeps selectors as they were', () => {
    const { stored } = accept(workload('Deployment'));
    const next = changed(stored, ({ spec }) => {
      spec.selector = { matchLabels: { app: 'api' } };
    });
    expect(rejectUpdate(next, stored)).toEqual(['spec.selector: Invalid value: {"matchLabels":{"app":"api"}}: field is immutable']);
  });

  it.each([
    [undefined, ['data: Required value: data is mandatory']],
    ['text', ['data: Required value: data must be a valid JSON object']],
    [{ spec: {} }, []],
  ])('asks a ControllerRevision for an object: %j', (data, messages) => {
    expect(accept({ ...workload('ControllerRevision'), data, revision: 1 }).wrong).toEqual(messages);
  });

  it('keeps the data of a ControllerRevision to the letter', () => {
    const revision = (data: object) => accept({ ...workload('ControllerRevision'), data, revision: 1 }).stored;
    expect(rejectUpdate(revision({ a: 1, b: null }), revision({ b: null, a: 1 }))).toEqual([]);
    expect(rejectUpdate(revision({ a: 1 }), revision({ a: 1, b: null }))).toEqual(['data: Invalid value: {"a":1}: field is immutable']);
  });

  it('does not roll back to a negative revision', () => {
    const object = { ...workload('Deployment', { rollbackTo: { revision: -3 } }), apiVersion: 'extensions/v1beta1' };
    expect(accept(object).wrong).toEqual(['spec.rollback.version: Invalid value: -3: must be greater than or equal to 0']);
  });

  it('lets a stored template go on with other parts of huge pages, but not come to have such', () => {
    const stored = (pages: string) => {
      const spec = { containers: [{ name: 'web', image: 'nginx:1', resources: { limits: { cpu: '1', 'hugepages-2Mi': pages } } }] };
      return accept(workload('Deployment', { template: { ...template, spec } })).stored;
    };
    expect(rejectUpdate(stored('3.1Mi'), stored('2.1Mi'), { whole: true })).toEqual([]);
    expect(rejectUpdate(stored('3.1Mi'), stored('2Mi'), { whole: true })).not.toEqual([]);
  });

  it('lets only some fields of a StatefulSet change', () => {
    const { stored } = accept(workload('StatefulSet', { serviceName: 'web' }));
    const scaled = changed(stored, ({ spec }) => {
      spec.replicas = 3;
    });
    expect(rejectUpdate(scaled, stored)).toEqual([]);
    const moved = changed(stored, ({ spec }) => {
      spec.serviceName = 'other';
    });
    expect(rejectUpdate(moved, stored)).toEqual([
      "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    ]);
  });

  it('counts the generations of a DaemonSet template', () => {
    const { stored } = accept(workload('DaemonSet'));
    const next = changed(stored, ({ spec }) => {
      spec.template = { ...template, metadata: { labels: { ...labels, more: 'yes' } } };
    });
    served(next)?.definition.update?.(next, stored, { now: '' });
    expect(next.metadata.annotations).toEqual({ 'deprecated.daemonset.template.generation': '2' });
  });
});

describe('printing', () => {
  it.each([
    [
      'Deployment',
      { replicas: 3 },
      { replicas: 3, readyReplicas: 2, updatedReplicas: 3, availableReplicas: 1 },
      { Name: 'web', Ready: '2/3', 'Up-to-date': 3, Available: 1, Age: '10m', Containers: 'web', Images: 'nginx:1', Selector: 'app=web' },
    ],
    [
      'ReplicaSet',
      { replicas: 3 },
      { replicas: 2, readyReplicas: 1 },
      { Name: 'web', Desired: 3, Current: 2, Ready: 1, Age: '10m', Containers: 'web', Images: 'nginx:1', Selector: 'app=web' },
    ],
    [
      'DaemonSet',
      {},
      { desiredNumberScheduled: 5, currentNumberScheduled: 4, numberReady: 3, updatedNumberScheduled: 2, numberAvailable: 1 },
      {
        Name: 'web',
        Desired: 5,
        Current: 4,
        Ready: 3,
        'Up-to-date': 2,
        Available: 1,
        'Node Selector': '<none>',
        Age: '10m',
        Containers: 'web',
        Images: 'nginx:1',
        Selector: 'app=web',
      },
    ],
    [
      'StatefulSet',
      { replicas: 2 },
      { replicas: 2, readyReplicas: 1 },
      { Name: 'web', Ready: '1/2', Age: '10m', Containers: 'web', Images: 'nginx:1' },
    ],
  ])('of a %s', (kind, spec, status, cells) => {
    expect(row({ ...accept(workload(kind, spec)).stored, ...{ status } })).toEqual(cells);
  });
});
