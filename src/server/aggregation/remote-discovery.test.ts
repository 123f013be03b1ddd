import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { backend } from '../streaming/kubelet-connection.ts';
import { readDiscovery } from './remote-discovery.ts';

interface Document {
  status?: number;
  contentType?: string;
  body?: object;
}

const list = { resources: [{ name: 'flunders', singularName: 'flunder', namespaced: true, kind: 'Flunder', verbs: ['get'] }] };
const flunders = {
  resource: 'flunders',
  scope: 'Namespaced',
  singularResource: 'flunder',
  verbs: ['get'],
  responseKind: { group: 'wardle.example.com', version: 'v1', kind: 'Flunder' },
};
const aggregated = (version: string, resources: object[], name = 'wardle.example.com'): Document => ({
  contentType: `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`,
  body: { items: [{ metadata: { name }, versions: [{ version: 'v1', resources, freshness: 'Current' }] }] },
});

/** What is read of a server that answers so, and what it was asked for. */
async function read(answers: Record<string, Document>) {
  const asked: string[] = [];
  const answer: RequestListener = (request, response) => {
    asked.push(`${request.url} ${request.headers.accept}`);
    const { status = 200, contentType = 'application/json', body = {} } = answers[request.url ?? ''] ?? { status: 404 };
    response.writeHead(status, { 'content-type': contentType }).end(JSON.stringify(body));
  };
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const remote = { ...backend({}), locate: () => Promise.resolve(new URL(`http://127.0.0.1:${port}`)) };
  try {
    const resources = await readDiscovery(remote, { group: 'wardle.example.com', version: 'v1' }, {}, AbortSignal.timeout(5000));
    return { asked, resources };
  } finally {
    remote.close();
    server.closeAllConnections();
    server.close();
  }
}

describe('what a server says that it serves', () => {
  test.each(['v2', 'v2beta1'])('is read of aggregated discovery %s', async (version) => {
    const { asked, resources } = await read({ '/apis': aggregated(version, [flunders]) });
    expect(resources).toEqual([flunders]);
    expect(asked).toEqual([
      '/apis application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList',
    ]);
  });

  test('has a kind for each resource, if an empty one', async () => {
    const { responseKind: _, ...kindless } = flunders;
    const { resources } = await read({
      '/apis': aggregated('v2', [{ ...kindless, subresources: [{ subresource: 'status', verbs: [] }] }]),
    });
    const responseKind = { group: '', version: '', kind: '' };
    expect(resources).toEqual([{ ...kindless, responseKind, subresources: [{ subresource: 'status', verbs: [], responseKind }] }]);
  });

  test('is nothing where it tells of other groups only', async () => {
    expect((await read({ '/apis': aggregated('v2', [flunders], 'other.example.com') })).resources).toEqual([]);
  });

  test.each<[string, Document | undefined]>([
    ['nothing', undefined],
    ['a plain list of groups', { body: { kind: 'APIGroupList', groups: [] } }],
    ['an error', { status: 500 }],
  ])('is read of the list of the group version where aggregated discovery is %s', async (_, apis) => {
    const { asked, resources } = await read({ ...(apis ? { '/apis': apis } : {}), '/apis/wardle.example.com/v1': { body: list } });
    expect(resources).toEqual([flunders]);
    expect(asked.at(-1)).toBe('/apis/wardle.example.com/v1 application/json');
  });

  test.each<[string, Record<string, Document>]>([
    ['503', { '/apis': { status: 503 }, '/apis/wardle.example.com/v1': { body: list } }],
    ['404', {}],
    ['500', { '/apis/wardle.example.com/v1': { status: 500 } }],
  ])('is unknown where it answers %s', async (status, answers) => {
    await expect(read(answers)).rejects.toThrow(new RegExp(`^bad status from http://127\\.0\\.0\\.1:\\d+/apis.*: ${status}$`));
  });
});
