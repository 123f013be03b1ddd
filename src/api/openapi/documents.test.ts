import { describe, expect, it } from 'vitest';
import { openApiV2, openApiV3, openApiV3Parts } from './documents.ts';
import type { OpenApiResource } from './paths.ts';

const all = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'];
const deployment: OpenApiResource = {
  group: 'apps',
  version: 'v1',
  kind: 'Deployment',
  plural: 'deployments',
  namespaced: true,
  verbs: all,
  subresources: [
    { name: 'status', verbs: ['get', 'update', 'patch'], kind: { group: 'apps', version: 'v1', kind: 'Deployment' } },
    { name: 'scale', verbs: ['get', 'update', 'patch'], kind: { group: 'autoscaling', version: 'v1', kind: 'Scale' } },
  ],
};

const part = { resources: [deployment], roots: [] };

describe('OpenAPI', () => {
  it('in version 3 has what kubectl looks for', async () => {
    const document = await openApiV3(part, 'v1.36.3');
    expect(document).toMatchObject({
      paths: {
        '/apis/apps/v1/namespaces/{namespace}/deployments': {
          get: { 'x-kubernetes-action': 'list', 'x-kubernetes-group-version-kind': { group: 'apps', version: 'v1', kind: 'Deployment' } },
        },
        '/apis/apps/v1/namespaces/{namespace}/deployments/{name}': {
          patch: { parameters: expect.arrayContaining([expect.objectContaining({ name: 'fieldValidation', in: 'query' })]) },
        },
        '/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale': { get: { 'x-kubernetes-group-version-kind': { kind: 'Scale' } } },
      },
      components: {
        schemas: {
          'io.k8s.api.apps.v1.Deployment': {
            'x-kubernetes-group-version-kind': [{ group: 'apps', version: 'v1', kind: 'Deployment' }],
            properties: { metadata: expect.anything() },
          },
          'io.k8s.api.apps.v1.DeploymentSpec': {
            required: ['selector', 'template'],
            properties: { replicas: { type: 'integer', format: 'int32', description: expect.stringContaining('Number of desired pods') } },
          },
          'io.k8s.api.core.v1.PodSpec': {
            properties: {
              containers: {
                'x-kubernetes-list-map-keys': ['name'],
                'x-kubernetes-list-type': 'map',
                'x-kubernetes-patch-merge-key': 'name',
                'x-kubernetes-patch-strategy': 'merge',
                items: { $ref: '#/components/schemas/io.k8s.api.core.v1.Container' },
              },
            },
          },
          'io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector': { 'x-kubernetes-map-type': 'atomic' },
        },
      },
    });
  });

  it('tells which values a text may have, unless it is not to', async () => {
    const typeOf = async (options?: { enums: boolean }) =>
      JSON.stringify((await openApiV3(part, 'v1', options)).components).includes('"enum":["Recreate","RollingUpdate"]');
    expect([await typeOf(), await typeOf({ enums: false })]).toEqual([true, false]);
  });

  it('has nothing empty that is lost where Go reads it and writes it again', async () => {
    const documents = await openApiV3Parts([deployment]);
    const emptyAt = (value: unknown, path: string): string[] => {
      if (typeof value !== 'object' || value === null) return value === '' && path.endsWith('.description') ? [path] : [];
      if (/\.default$/.test(path)) return [];
      const members = Object.entries(value);
      return members.length === 0 ? [path] : members.flatMap(([name, member]) => emptyAt(member, `${path}.${name}`));
    };
    for (const [at, one] of documents) expect(emptyAt(await openApiV3(one, 'v1'), at)).toEqual([]);
  });

  it('gives others their turn while it is built', async () => {
    let turns = 0;
    const turn = async () => void turns++;
    expect(await openApiV2([deployment, deployment], 'v1', { turn })).toEqual(await openApiV2([deployment], 'v1'));
    expect(turns).toBeGreaterThan(2);
  });

  it('refers only to definitions that it has, and says no more than there is', async () => {
    for (const document of [await openApiV3(part, 'v1'), await openApiV2([deployment], 'v1')]) {
      const text = JSON.stringify(document);
      expect(text).not.toContain('"properties":{}');
      const roots = document as { definitions?: object; components?: { schemas: object } };
      const names = new Set(Object.keys(roots.definitions ?? roots.components?.schemas ?? {}));
      for (const [, name = ''] of text.matchAll(/"\$ref":"#\/(?:definitions|components\/schemas)\/([^"]+)"/g))
        expect(names).toContain(name);
      expect(names.size).toBeGreaterThan(100);
    }
  });
});
