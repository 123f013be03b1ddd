import { expect, test } from 'vitest';
import type { Pod } from '../../api/index.ts';
import { dialErrorMessage } from '../../client/index.ts';
import type { RequestContext } from '../exchange.ts';
import { requestHeaders } from './forwarding.ts';
import { logQuery } from './log.ts';
import { chooseContainer } from './pod-container.ts';
import { pathBelowProxy, splitSchemeNamePort } from './proxy.ts';

const pod = (containers: string[], initContainers: string[] = []): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', uid: '', resourceVersion: '', creationTimestamp: '' },
  spec: { containers: containers.map((name) => ({ name })), initContainers: initContainers.map((name) => ({ name })) },
});

test('the container is the named one, or the only one', () => {
  expect(chooseContainer(pod(['a']), '')).toBe('a');
  expect(chooseContainer(pod(['a', 'b'], ['i']), 'i')).toBe('i');
  expect(() => chooseContainer(pod(['a', 'b']), '')).toThrow('a container name must be specified for pod p, choose one of: [a b]');
  expect(() => chooseContainer(pod(['a', 'b'], ['i']), '')).toThrow('choose one of: [a b] or one of the init containers: [i]');
  expect(() => chooseContainer(pod(['a']), 'x')).toThrow('container x is not valid for pod p');
});

test.each([
  ['n', { scheme: '', name: 'n', port: '' }],
  ['n:80', { scheme: '', name: 'n', port: '80' }],
  ['https:n:', { scheme: 'https', name: 'n', port: '' }],
  ['http:n:p', { scheme: 'http', name: 'n', port: 'p' }],
])('%s names a proxy target', (id, expected) => expect(splitSchemeNamePort(id, 'pod')).toEqual(expected));

test.each(['', ':80', 'ftp:n:80', 'a:b:c:d'])('%j names none', (id) => {
  expect(() => splitSchemeNamePort(id, 'pod')).toThrow(`invalid pod request ${JSON.stringify(id)}`);
});

test.each([
  ['/api/v1/namespaces/default/pods/p/proxy', '/api/v1/namespaces/default/pods/p/proxy', ''],
  ['/api/v1/namespaces/pods/services/https:s:1/proxy/', '/api/v1/namespaces/pods/services/https:s:1/proxy', '/'],
  ['/api/v1/nodes/n/proxy/pods/x/proxy/a%2Fb', '/api/v1/nodes/n/proxy', '/pods/x/proxy/a%2Fb'],
])('the path below %s', (path, own, rest) => expect(pathBelowProxy(path)).toEqual({ own, rest }));

test.each([
  ['tailLines=-1', 'tailLines: Invalid value: -1: must be greater than or equal to 0'],
  ['limitBytes=0', 'limitBytes: Invalid value: 0: must be greater than 0'],
  ['sinceTime=2026-01-01T00:00:00Z&sinceSeconds=3', 'at most one of `sinceTime` or `sinceSeconds` may be specified'],
  ['stream=Both', 'stream: Unsupported value: "Both"'],
  ['stream=Stdout&tailLines=3', '`tailLines` and specific `stream` are mutually exclusive for now'],
  ['tailLines=x', 'strconv.ParseInt: parsing "x": invalid syntax'],
])('log options %s are refused', (query, message) => {
  expect(() => logQuery(new URLSearchParams(query), 'p')).toThrow(message);
});

test.each([
  ['ECONNREFUSED', 'dial tcp 10.0.0.1:10250: connect: connection refused'],
  ['ETIMEDOUT', 'dial tcp 10.0.0.1:10250: i/o timeout'],
  ['ENOTFOUND', 'dial tcp: lookup 10.0.0.1:10250: no such host'],
  ['ECONNRESET', 'EOF'],
])('%s in the words of Go', (code, expected) => {
  expect(dialErrorMessage(Object.assign(new Error('x'), { code }), '10.0.0.1:10250')).toBe(expected);
});

test('a header of any name is handed on, but for those that say who asks', () => {
  const rawHeaders = [
    ['constructor', 'a'],
    ['constructor', 'b'],
    ['__proto__', 'c'],
    ['impersonate-user', 'jane'],
  ];
  // Nothing else of the request is looked at.
  const headers = requestHeaders({ rawHeaders, remoteAddress: '10.0.0.1' } as unknown as RequestContext);
  expect(Object.entries(headers)).toEqual([
    ['constructor', ['a', 'b']],
    ['__proto__', 'c'],
    ['x-forwarded-for', '10.0.0.1'],
  ]);
});
