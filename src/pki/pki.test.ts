import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, stat, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createCertificateAuthority, createSigningRequest, ensurePki, parseSigningRequest, publicKeyHash, signRequest } from './index.ts';

const now = Date.parse('2026-01-01T00:00:00Z');
const day = 24 * 3600 * 1000;
let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pki-'));
});
afterEach(() => rm(dir, { recursive: true }));

describe('ensurePki', () => {
  test('lays out kubeadm files that chain to their authorities, keys readable by the owner alone', async () => {
    const pki = await ensurePki(dir, { now, ipAddresses: ['10.96.0.1'], nodes: ['n1'] });
    const ca = new X509Certificate(pki.ca.certificate);
    const server = new X509Certificate(pki.apiserver.certificate);
    expect(server.verify(ca.publicKey)).toBe(true);
    expect(server.checkIP('10.96.0.1')).toBe('10.96.0.1');
    expect(server.checkHost('kubernetes.default.svc.cluster.local')).toBeDefined();
    expect(new X509Certificate(pki.clients['kubelet-n1']?.certificate ?? '').subject).toBe('O=system:nodes\nCN=system:node:n1');
    expect(new X509Certificate(pki.frontProxyClient.certificate).checkIssued(new X509Certificate(pki.frontProxyCa.certificate))).toBe(true);
    for (const file of ['ca.key', 'sa.key', 'apiserver.key', 'admin.key', 'front-proxy-ca.key'])
      expect((await stat(join(dir, file))).mode & 0o777, file).toBe(0o600);
    for (const file of ['ca.crt', 'sa.pub', 'apiserver-kubelet-client.crt', 'controller-manager.crt', 'scheduler.crt'])
      await stat(join(dir, file));
  });

  test('renews only what is missing, ended or lacks a name', async () => {
    const first = await ensurePki(dir, { now });
    expect((await ensurePki(dir, { now: now + day })).renewed).toEqual([]);
    await unlink(join(dir, 'admin.crt'));
    expect((await ensurePki(dir, { now })).renewed).toEqual(['admin']);
    expect((await ensurePki(dir, { now, dnsNames: ['api.example.com'] })).renewed).toEqual(['apiserver']);
    const later = await ensurePki(dir, { now: now + 340 * day, dnsNames: ['api.example.com'] });
    expect(later.renewed).not.toContain('ca');
    expect(later.renewed).toContain('scheduler');
    expect(later.serviceAccount).toEqual(first.serviceAccount);
  });
});

test('a signing request is read and signed with its own names', async () => {
  const ca = await createCertificateAuthority({ commonName: 'test', notBefore: new Date(now), notAfter: new Date(now + day) });
  const { request } = await createSigningRequest({
    commonName: 'system:node:a',
    organizations: ['system:nodes'],
    dnsNames: ['a'],
    ipAddresses: ['10.0.0.1'],
  });
  expect(await parseSigningRequest(request)).toMatchObject({
    commonName: 'system:node:a',
    organizations: ['system:nodes'],
    dnsNames: ['a'],
    ipAddresses: ['10.0.0.1'],
  });
  const signed = new X509Certificate(
    await signRequest(ca, request, {
      usages: ['digital signature', 'key encipherment', 'server auth'],
      notBefore: new Date(now),
      notAfter: new Date(now + day),
    }),
  );
  expect(signed.subject).toBe('O=system:nodes\nCN=system:node:a');
  expect(signed.subjectAltName).toBe('DNS:a, IP Address:10.0.0.1');
  expect(signed.checkIssued(new X509Certificate(ca.certificate))).toBe(true);
  expect(publicKeyHash(ca.certificate)).toMatch(/^sha256:[0-9a-f]{64}$/);
  await expect(parseSigningRequest('nonsense')).rejects.toThrow('PEM block type must be CERTIFICATE REQUEST');
});
