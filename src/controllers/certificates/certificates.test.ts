import { X509Certificate } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CertificateSigningRequest } from '../../api/index.ts';
import { createCertificateAuthority, createSigningRequest } from '../../pki/index.ts';
import { VirtualClock } from '../../time/index.ts';
import { startCluster, type TestCluster } from '../testing/cluster.ts';
import { csrCleanerController } from './cleaner.ts';
import { csrSigningController } from './signing.ts';

let c: TestCluster;
const authorityDays = 2;
beforeEach(async () => {
  const startMs = new VirtualClock().now();
  const [notBefore, notAfter] = [new Date(startMs - 1000), new Date(startMs + authorityDays * 86_400_000)];
  const clusterSigning = await createCertificateAuthority({ commonName: 'kubernetes', notBefore, notAfter });
  c = await startCluster([csrSigningController, csrCleanerController], { clusterSigning });
});
afterEach(() => c.stop());

const usages = ['digital signature', 'client auth'];
async function request(signerName: string, subject: { commonName: string; organizations?: string[] }, expirationSeconds = 7200) {
  const { request: pem } = await createSigningRequest(subject);
  const spec = { request: Buffer.from(pem).toString('base64'), signerName: `kubernetes.io/${signerName}`, usages, expirationSeconds };
  const csr = await c.create(CertificateSigningRequest, { metadata: { name: 'r' }, spec: spec as never });
  const conditions = [
    { type: 'Approved' as const, status: 'True' as const, reason: 'Test', lastUpdateTime: new Date(c.clock.now()).toISOString() },
  ];
  await c.client.update(CertificateSigningRequest, { ...csr, status: { conditions } }, { subresource: 'approval' });
  const current = async () => {
    await c.settle();
    return (await c.get(CertificateSigningRequest, 'r')).status;
  };
  // Signing is done by WebCrypto, off the loop that `settle` turns.
  await expect.poll(current).toSatisfy((status) => Boolean(status.certificate) || status.conditions.length > 1);
  return (await c.get(CertificateSigningRequest, 'r')).status;
}

test('an approved request is signed for as long as it asks, and goes after an hour', async () => {
  const status = await request('kube-apiserver-client', { commonName: 'jane', organizations: ['dev'] });
  const certificate = new X509Certificate(Buffer.from(status?.certificate ?? '', 'base64'));
  expect(certificate.subject).toContain('CN=jane');
  expect(certificate.issuer).toContain('CN=kubernetes');
  expect(Math.round((certificate.validToDate.getTime() - c.clock.now()) / 1000)).toBe(7200);
  await c.settle(3_700_000);
  expect(await c.find(CertificateSigningRequest, 'r')).toBeUndefined();
});

test('a certificate that lives long lives so from the start that is before now, and no longer than its authority', async () => {
  const lifeOf = (certificate = '') => {
    const { validFromDate, validToDate } = new X509Certificate(Buffer.from(certificate, 'base64'));
    return (validToDate.getTime() - validFromDate.getTime()) / 1000;
  };
  expect(lifeOf((await request('kube-apiserver-client', { commonName: 'jane' }, 24 * 3600))?.certificate)).toBe(24 * 3600);
  await c.settle(3_700_000);
  expect(lifeOf((await request('kube-apiserver-client', { commonName: 'jane' }))?.certificate)).toBe(7200 + 300);
  await c.settle(3_700_000);
  const last = (await request('kube-apiserver-client', { commonName: 'jane' }, 7 * 24 * 3600))?.certificate ?? '';
  const end = new VirtualClock().now() + authorityDays * 86_400_000;
  expect(new X509Certificate(Buffer.from(last, 'base64')).validToDate.getTime()).toBe(end - (end % 1000));
});

test('what a signer does not sign fails with the reason', async () => {
  const status = await request('kube-apiserver-client-kubelet', { commonName: 'jane', organizations: ['system:nodes'] });
  expect(status?.certificate).toBeUndefined();
  expect(status?.conditions).toContainEqual(
    expect.objectContaining({
      type: 'Failed',
      reason: 'SignerValidationFailure',
      message: 'subject common name does not begin with system:node:',
    }),
  );
});
