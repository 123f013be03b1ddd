import { describe, expect, it } from 'vitest';
import { accept, served } from '../testing/accept.ts';

const slice = (addressType: string, endpoint: object, ports: object[] = []) => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 's', namespace: 'default', creationTimestamp: '2026-01-01T00:00:00Z' },
  addressType,
  endpoints: [endpoint],
  ports,
});
const first = 'endpoints[0].addresses[0]';

describe('an EndpointSlice', () => {
  it.each<[string, object, string[]]>([
    ['IPv4', { addresses: ['10.1.2.3'] }, []],
    ['IPv4', { addresses: ['2001:db8::1'] }, ['endpoints[0].addresses: Invalid value: "2001:db8::1": must be an IPv4 address']],
    ['IPv4', { addresses: ['010.1.2.3'] }, [`${first}: Invalid value: "010.1.2.3": must not have leading 0s`]],
    [
      'IPv4',
      { addresses: ['127.0.0.1'] },
      [`${first}: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)`],
    ],
    ['FQDN', { addresses: ['example.com.'] }, []],
    ['FQDN', { addresses: ['web'] }, [`${first}: Invalid value: "web": should be a domain with at least two segments separated by dots`]],
    [
      'IPv6',
      { addresses: ['2001:db8::1'], hints: { forNodes: [{ name: 'a' }, { name: 'a' }, {}] } },
      [
        'endpoints[0].hints.forNodes[1].name: Duplicate value: "a"',
        expect.stringMatching(/^endpoints.0..hints.forNodes.2..name: Invalid value: "": a lowercase RFC 1123 subdomain/),
      ],
    ],
  ])('of %s with %j: %j', (type, endpoint, wrong) => expect(accept(slice(type, endpoint)).wrong).toEqual(wrong));

  it.each<[object, boolean]>([
    [{ metadata: { labels: { a: 'b' } } }, true],
    [{ metadata: { annotations: { a: 'b' } } }, false],
    [{ endpoints: [] }, true],
  ])('comes to another generation with %j: %j', (change, counts) => {
    const prev = slice('IPv4', { addresses: ['10.1.2.3'] }) as never;
    const { generation } = served(prev)?.definition ?? {};
    expect(typeof generation === 'function' && generation({ ...(prev as object), ...change } as never, prev)).toBe(counts);
  });

  const host = { 'kubernetes.io/hostname': 'n' };
  it.each<[string, object, object | undefined, string, object]>([
    ['is dropped of a new one', { deprecatedTopology: { a: 'b' } }, undefined, 'v1', {}],
    ['of old names stays', { deprecatedTopology: { a: 'b' } }, undefined, 'v1beta1', { deprecatedTopology: { a: 'b' } }],
    ['stays while the endpoints do', { deprecatedTopology: host }, { deprecatedTopology: host }, 'v1', { deprecatedTopology: host }],
    [
      'becomes the node that it was',
      { deprecatedTopology: host, zone: 'z' },
      { deprecatedTopology: host },
      'v1',
      { nodeName: 'n', zone: 'z' },
    ],
    ['is no node that it was not', { deprecatedTopology: host }, {}, 'v1', {}],
  ])('topology %s', (_, next, prev, version, expected) => {
    const of = (endpoint: object) => ({ ...slice('IPv4', { addresses: ['10.1.2.3'], ...endpoint }) }) as never;
    const { definition } = served(of({})) ?? {};
    const object = of(next) as { endpoints: object[] };
    if (prev) definition?.update?.(object as never, of(prev), { now: '', version });
    else definition?.create?.(object as never, { now: '', version });
    expect(object.endpoints).toEqual([{ addresses: ['10.1.2.3'], ...expected }]);
  });
});
