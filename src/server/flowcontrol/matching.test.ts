import { expect, it } from 'vitest';
import type { FlowSchema } from '../../api/index.ts';
import type { RequestContext } from '../exchange.ts';
import type { RequestInfo } from '../request.ts';
import { corrected } from './flow-configuration.ts';
import { compileSchema } from './matching.ts';
import { estimateWork } from './work-estimate.ts';

const user = { name: 'joe', groups: ['system:authenticated'] };
const info = (parts: Partial<RequestInfo>): RequestInfo => ({
  ...{ isResourceRequest: true, verb: 'get', path: '', apiPrefix: 'api', apiGroup: '', apiVersion: 'v1' },
  ...{ namespace: '', resource: '', subresource: '', name: '', parts: [] },
  ...parts,
});

it.each([
  ['/healthz', '/healthz', true],
  ['/healthz', '/healthz/ping', true],
  ['/healthz', '/healthzy', false],
  ['/healthz/*', '/healthz/ping', true],
  ['/healthz/*', '/healthz', false],
  ['*', '/anything', true],
])('a schema for %s and a request of %s', (url, path, expected) => {
  const matches = compileSchema({
    priorityLevelConfiguration: { name: 'x' },
    rules: [{ subjects: [{ kind: 'User', user: { name: 'joe' } }], nonResourceRules: [{ verbs: ['get'], nonResourceURLs: [url] }] }],
  });
  expect(matches(user, info({ isResourceRequest: false, path }))).toBe(expected);
});

/** A request about pods, of which there are so many kilobytes. */
const seats = (parts: Partial<RequestInfo>, query: string, kilobytes: number, widest?: number) => {
  const context = { info: info({ resource: 'pods', ...parts }), query: new URLSearchParams(query) };
  const stored = { count: kilobytes, bytes: kilobytes * 1000 };
  // Of a request nothing else is looked at.
  return estimateWork(context as RequestContext, { objects: () => stored, watchers: () => 0 }, widest).seats;
};

it('a list takes a seat for every 100 kB that are in memory at once', () => {
  const list = { verb: 'list' };
  expect(seats(list, '', 99)).toBe(1);
  expect(seats(list, '', 450)).toBe(5);
  expect(seats(list, '', 10_000)).toBe(10);
  expect(seats(list, 'limit=250', 10_000)).toBe(3);
  expect(seats({ ...list, name: 'a' }, 'fieldSelector=metadata.name%3Da', 10_000)).toBe(1);
  expect(seats(list, 'limit=5000&continue=x', 10_000)).toBe(50);
  expect(seats(list, '', 10_000, 4)).toBe(4);
  expect(seats(list, 'limit=many', 0)).toBe(100);
});

it('a watch takes seats for the list that it begins with', () => {
  const watch = { verb: 'watch' };
  expect(seats(watch, '', 450)).toBe(5);
  expect(seats(watch, 'resourceVersion=0', 450)).toBe(5);
  expect(seats(watch, 'resourceVersion=7', 450)).toBe(1);
  expect(seats(watch, 'resourceVersion=7&sendInitialEvents=true', 450)).toBe(5);
});

// k8s.io/kubernetes/pkg/registry/flowcontrol/ensurer: said of a schema, its generation; what becomes of a changed spec and of what is said.
it.each<[string | undefined, number, boolean, 'reset' | 'kept', string | undefined]>([
  [undefined, 1, false, 'reset', 'true'],
  [undefined, 2, false, 'kept', 'false'],
  ['true', 2, false, 'reset', 'true'],
  ['T', 2, false, 'reset', 'T'],
  ['false', 1, false, 'kept', 'false'],
  ['0', 1, false, 'kept', '0'],
  ['maybe', 2, false, 'kept', 'false'],
  ['false', 2, true, 'reset', 'true'],
])(
  'a suggested schema said to be kept up to date: %s, of generation %i (mandatory: %s) is %s',
  (said, generation, mandatory, spec, note) => {
    const key = 'apf.kubernetes.io/autoupdate-spec';
    const of = (matchingPrecedence: number) => ({ matchingPrecedence, priorityLevelConfiguration: { name: 'exempt' } });
    const current: FlowSchema = {
      ...{ apiVersion: 'flowcontrol.apiserver.k8s.io/v1', kind: 'FlowSchema' },
      metadata: {
        name: 'probes',
        uid: '',
        resourceVersion: '',
        creationTimestamp: '',
        generation,
        ...(said === undefined ? {} : { annotations: { [key]: said } }),
      },
      spec: of(7),
    };
    const { metadata, spec: left } = corrected(current, of(2), mandatory) ?? current;
    expect([left, metadata.annotations?.[key]]).toEqual([of(spec === 'reset' ? 2 : 7), note]);
  },
);
