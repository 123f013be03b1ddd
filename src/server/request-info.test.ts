import { expect, test } from 'vitest';
import type { RequestContext } from './exchange.ts';
import { accessDenied, attributesOf } from './pipeline/authorize.ts';
import { isLongRunning, parseRequestInfo } from './request-info.ts';

const infoOf = (method: string, url: string) => {
  const { pathname, searchParams } = new URL(url, 'http://server');
  return parseRequestInfo(method, pathname, searchParams);
};

test.each<[string, string, string, string, string?, string?]>([
  ['GET', '/api/v1/pods', 'list', '', 'pods', ''],
  ['HEAD', '/api/v1/namespaces/ns/pods/p', 'get', 'ns', 'pods', 'p'],
  ['GET', '/api/v1/pods?watch=FALSE', 'list', '', 'pods'],
  ['GET', '/api/v1/pods?watch', 'watch', '', 'pods'],
  ['GET', '/api/v1/watch/namespaces/ns/pods/p', 'watch', 'ns', 'pods', 'p'],
  ['GET', '/api/v1/proxy/namespaces/ns/pods/p/path', 'proxy', 'ns', 'pods', 'p'],
  ['PUT', '/api/v1/namespaces/ns/finalize', 'update', 'ns', 'namespaces', 'ns'],
  // A rule for one name lets it be listed and watched by that name, but never lets many be deleted.
  ['GET', '/api/v1/pods?fieldSelector=metadata.name%3Dp', 'list', '', 'pods', 'p'],
  ['GET', '/api/v1/pods?watch=1&fieldSelector=metadata.name%3Dp', 'watch', '', 'pods', 'p'],
  ['GET', '/api/v1/pods?fieldSelector=metadata.name%3D..', 'list', '', 'pods', ''],
  ['DELETE', '/api/v1/namespaces/ns/pods?fieldSelector=metadata.name%3Dp', 'deletecollection', 'ns', 'pods', ''],
  ['GET', '/apis/apps/v1', 'get', '', '', ''],
])('%s %s', (method, url, verb, namespace, resource = '', name = '') => {
  expect(infoOf(method, url)).toMatchObject({ verb, namespace, resource, name, isResourceRequest: resource !== '' });
});

test.each([
  ['GET', '/api/v1/pods', true],
  ['DELETE', '/api/v1/pods', true],
  ['GET', '/api/v1/pods/p', false],
  // k8s.io/apiserver's requestinfo_test: not where the verb stands in the path.
  ['GET', '/api/v1/watch/pods', false],
])('%s %s is allowed by what it selects: %s', (method, path, selects) => {
  const query = new URLSearchParams({ fieldSelector: 'a=b', labelSelector: 'c=d' });
  const { fieldSelector, labelSelector } = attributesOf({ info: parseRequestInfo(method, path, query), query, path } as RequestContext);
  expect([fieldSelector, labelSelector]).toEqual(selects ? ['a=b', 'c=d'] : [undefined, undefined]);
});

test('a refusal has nothing in it that a browser takes for HTML', () => {
  const user = { name: 'a<b>', groups: [] };
  const path = '/<script>';
  const info = parseRequestInfo('GET', path, new URLSearchParams());
  expect(accessDenied(attributesOf({ info, path, query: new URLSearchParams(), user } as unknown as RequestContext), 'a & b').message).toBe(
    'forbidden: User "a&lt;b&gt;" cannot get path "/&lt;script&gt;": a & b',
  );
});

test('what lasts as long as the client likes', () => {
  const lasting = ['/api/v1/pods?watch=1', '/api/v1/watch/pods', '/api/v1/namespaces/ns/pods/p/exec', '/api/v1/namespaces/ns/pods/p/log'];
  expect(lasting.map((url) => isLongRunning(infoOf('GET', url)))).toEqual(lasting.map(() => true));
  expect(['/api/v1/pods', '/healthz', '/watch/x'].map((url) => isLongRunning(infoOf('GET', url)))).toEqual([false, false, false]);
});
