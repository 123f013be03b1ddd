import { expect, test } from 'vitest';
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

test('what lasts as long as the client likes', () => {
  const lasting = ['/api/v1/pods?watch=1', '/api/v1/watch/pods', '/api/v1/namespaces/ns/pods/p/exec', '/api/v1/namespaces/ns/pods/p/log'];
  expect(lasting.map((url) => isLongRunning(infoOf('GET', url)))).toEqual(lasting.map(() => true));
  expect(['/api/v1/pods', '/healthz', '/watch/x'].map((url) => isLongRunning(infoOf('GET', url)))).toEqual([false, false, false]);
});
