import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { decodeJson } from './decode-object.ts';
import { semanticEqual } from './equality.ts';
import { extensionsV1beta1, networkingV1beta1 } from './generated/index.ts';
import { apiVersionOf, type KubeObject } from './resource.ts';
import { deprecationWarning } from './served-version.ts';
import { accept, served } from './testing/accept.ts';

const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image: 'nginx' }] } };

describe('removed versions', () => {
  it('warns in the words of upstream, from the lifecycle in the table', () => {
    expect(deprecationWarning(extensionsV1beta1.Deployment)).toBe(
      'extensions/v1beta1 Deployment is deprecated in v1.8+, unavailable in v1.16+; use apps/v1 Deployment',
    );
    expect(deprecationWarning(networkingV1beta1.IPAddress)).toBe(
      'networking.k8s.io/v1beta1 IPAddress is deprecated in v1.34+, unavailable in v1.37+',
    );
    expect(deprecationWarning({ group: 'batch', version: 'v1', kind: 'Job', plural: 'jobs', namespaced: true })).toBeUndefined();
  });

  it.each([
    [
      'extensions/v1beta1',
      'Deployment',
      { strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 1 } }, progressDeadlineSeconds: 2147483647 },
    ],
    ['apps/v1beta1', 'Deployment', { revisionHistoryLimit: 2, progressDeadlineSeconds: 600 }],
    ['extensions/v1beta1', 'DaemonSet', { updateStrategy: { type: 'OnDelete' } }],
    ['extensions/v1beta1', 'ReplicaSet', { replicas: 1 }],
    ['apps/v1beta1', 'StatefulSet', { updateStrategy: { type: 'OnDelete' } }],
  ])('defaults the selector of a %s %s from its template', (apiVersion, kind, spec) => {
    const { stored, wrong, warning } = accept({
      apiVersion,
      kind,
      ...{ metadata: { name: 'web', namespace: 'default' }, spec: { template } },
    });
    expect(wrong).toEqual([]);
    expect(stored).toMatchObject({
      apiVersion: 'apps/v1',
      metadata: { labels: { app: 'web' } },
      spec: { selector: { matchLabels: { app: 'web' } }, ...spec },
    });
    expect(warning).toContain('is deprecated in');
  });

  it('keeps rollbackTo and templateGeneration where apps/v1 keeps them', () => {
    const rolled = accept({
      apiVersion: 'extensions/v1beta1',
      kind: 'Deployment',
      ...{ metadata: { name: 'web' }, spec: { template, rollbackTo: { revision: 3 } } },
    });
    expect(rolled.stored.metadata.annotations).toEqual({ 'deprecated.deployment.rollback.to': '3' });
    const daemons = accept({ apiVersion: 'extensions/v1beta1', kind: 'DaemonSet', ...{ metadata: { name: 'web' }, spec: { template } } });
    expect(daemons.stored.metadata.annotations).toEqual({ 'deprecated.daemonset.template.generation': '1' });
  });

  it.each([extensionsV1beta1.Ingress, networkingV1beta1.Ingress])('turns a v1beta1 backend into a service %#', (resource) => {
    const spec = {
      backend: { serviceName: 'fallback', servicePort: 'http' },
      rules: [{ host: 'a.example', http: { paths: [{ path: '/', backend: { serviceName: 'web', servicePort: 80 } }] } }],
    };
    const { stored, wrong } = accept({ apiVersion: apiVersionOf(resource), kind: 'Ingress', ...{ metadata: { name: 'i' }, spec } });
    expect(wrong).toEqual([]);
    expect(stored).toMatchObject({
      apiVersion: 'networking.k8s.io/v1',
      spec: {
        defaultBackend: { service: { name: 'fallback', port: { name: 'http' } } },
        rules: [
          {
            host: 'a.example',
            http: {
              paths: [{ path: '/', pathType: 'ImplementationSpecific', backend: { service: { name: 'web', port: { number: 80 } } } }],
            },
          },
        ],
      },
    });
  });

  it('keeps the meaning of an empty selector of a policy/v1beta1 budget', () => {
    const budget = { metadata: { name: 'b' }, spec: { minAvailable: 1, selector: {} } };
    const { stored } = accept({ apiVersion: 'policy/v1beta1', kind: 'PodDisruptionBudget', ...budget });
    expect(stored).toMatchObject({
      spec: { selector: { matchExpressions: [{ key: 'pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match', operator: 'Exists' }] } },
    });
    const { version } = served({ apiVersion: 'policy/v1beta1', kind: 'PodDisruptionBudget' }) ?? {};
    expect(version?.fromStorage(stored)).toMatchObject(budget);
  });

  it('carries in annotations what an autoscaling/v1 autoscaler has no fields for', () => {
    const { version } = served({ apiVersion: 'autoscaling/v1', kind: 'HorizontalPodAutoscaler' }) ?? {};
    const stored = accept({
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      ...{
        metadata: { name: 'h', annotations: { mine: 'yes' } },
        spec: {
          scaleTargetRef: { kind: 'Deployment', name: 'web', apiVersion: 'apps/v1' },
          maxReplicas: 5,
          metrics: [
            { type: 'Pods', pods: { metric: { name: 'rps' }, target: { type: 'AverageValue', averageValue: '10' } } },
            { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 70 } } },
          ],
          behavior: { scaleDown: { stabilizationWindowSeconds: 60 } },
        },
      },
    }).stored;
    const old = version?.fromStorage(stored);
    expect(old).toMatchObject({ apiVersion: 'autoscaling/v1', spec: { targetCPUUtilizationPercentage: 70, maxReplicas: 5 } });
    expect(semanticEqual(old && version?.toStorage(old), stored)).toBe(true);
  });
});

const shared = new URL('../../../shared/', import.meta.url);
const filesOf = (folder: string, suffix: string) =>
  existsSync(new URL(folder, shared)) ? readdirSync(new URL(folder, shared)).filter((f) => f.endsWith(suffix)) : [];

const golden = filesOf('golden/', '.json')
  .map((file) => ({ file, object: JSON.parse(readFileSync(new URL(`golden/${file}`, shared), 'utf8')) as KubeObject }))
  .flatMap(({ file, object }) => {
    const version = served(object)?.version;
    // A subject of an unknown kind loses its version, upstream as here.
    const isLossy = version?.resource.version === 'v1alpha1' && version.resource.kind.endsWith('RoleBinding');
    // The node's name comes back as its host's, too.
    const isChanged = version?.resource.version === 'v1beta1' && version.resource.kind === 'EndpointSlice';
    return version && !isLossy && !isChanged ? [{ file, object, version }] : [];
  });

describe.skipIf(golden.length === 0)('conversion of golden objects of upstream (skipped where ../shared is absent)', () => {
  // These hold what cannot be together: a service backend and a resource backend, random selectors of metrics, ...
  it.each(golden)('$file comes back as it was', ({ object, version }) => {
    const { object: sent } = decodeJson(JSON.stringify(object), version.resource);
    expect(semanticEqual(version.fromStorage(version.toStorage(sent)), sent)).toBe(true);
  });
});

describe.skipIf(filesOf('manifests/', '.yaml').length === 0)('manifests of years past (skipped where ../shared is absent)', () => {
  it.each(filesOf('manifests/', '.yaml'))('%s is accepted', (file) => {
    for (const document of parseAllDocuments(readFileSync(new URL(`manifests/${file}`, shared), 'utf8'))) {
      const sent = document.toJS() as KubeObject | null;
      if (sent) expect(accept(sent).wrong, `${sent.kind} ${sent.metadata.name}`).toEqual([]);
    }
  });
});
