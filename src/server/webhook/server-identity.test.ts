import type { PeerCertificate } from 'node:tls';
import { expect, test } from 'vitest';
import { serverIdentity } from './server-identity.ts';

test.each<[string, string, string | undefined, string | undefined]>([
  ['hook.ns.svc', 'DNS:hook.ns.svc, DNS:other', 'x', undefined],
  ['10.0.0.1', 'IP Address:10.0.0.1', 'x', undefined],
  ['hook.ns.svc', 'DNS:a, DNS:b', 'hook.ns.svc', 'certificate is valid for a, b, not hook.ns.svc'],
  ['hook.ns.svc', 'IP Address:10.0.0.1', 'x', 'certificate is not valid for any names, but wanted to match hook.ns.svc'],
  ['10.0.0.1', 'DNS:a', 'x', "cannot validate certificate for 10.0.0.1 because it doesn't contain any IP SANs"],
  ['10.0.0.1', 'IP Address:10.0.0.2', 'x', 'certificate is valid for 10.0.0.2, not 10.0.0.1'],
])('%s and %s', (host, subjectaltname, CN, problem) => {
  const certificate = { subject: { CN }, subjectaltname } as unknown as PeerCertificate;
  expect(serverIdentity()(host, certificate)?.message).toBe(problem);
});

test('a common name is no name', () => {
  let missing = 0;
  const check = serverIdentity(() => missing++);
  const certificate = { subject: { CN: 'hook.ns.svc' } } as unknown as PeerCertificate;
  expect(check('hook.ns.svc', certificate)?.message).toBe('certificate relies on legacy Common Name field, use SANs instead');
  expect(check('other', certificate)?.message).toBe('certificate is not valid for any names, but wanted to match other');
  expect(missing).toBe(1);
});
