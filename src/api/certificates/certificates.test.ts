import { describe, expect, it } from 'vitest';
import { createCertificateAuthority, createSigningRequest, signRequest } from '../../pki/index.ts';
import { deepCopy } from '../equality.ts';
import { FieldErrors, fieldErrorMessage } from '../fields.ts';
import type { CertificateSigningRequest } from '../generated/certificates.v1.ts';
import type { PodCertificateRequest } from '../generated/certificates.v1beta1.ts';
import type { KubeObject } from '../resource.ts';
import { accept, row, served } from '../testing/accept.ts';

const metadata = { name: 'n', namespace: 'default', creationTimestamp: '2026-01-01T00:00:00Z' };
const context = { now: '2026-01-01T00:00:00Z', user: 'alice' };
const { request: pem } = await createSigningRequest({ commonName: 'x' });
const request = btoa(pem);

function csr(spec: object = {}) {
  const { stored, wrong } = accept({
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    ...{
      metadata: { name: 'n', creationTimestamp: '2026-01-01T00:00:00Z' },
      spec: { request, signerName: 'kubernetes.io/kube-apiserver-client', usages: ['client auth'], username: 'forged', ...spec },
    },
  });
  return { stored: stored as CertificateSigningRequest, wrong };
}

/** Writes a subresource: what comes of it, and what is wrong with it. */
function write<T extends KubeObject>(prev: T, subresource: string, status: object): { next: T; wrong: string[] } {
  const strategy = served(prev)?.definition.subresources?.[subresource];
  if (typeof strategy !== 'object' || !('validate' in strategy)) throw new Error(`no strategy for ${subresource}`);
  const next = { ...deepCopy(prev), status };
  strategy.update?.(next, prev, context);
  const errors = new FieldErrors();
  strategy.validate?.(next, prev, errors);
  return { next, wrong: errors.list.map(fieldErrorMessage) };
}

describe('a certificate signing request', () => {
  const times = { lastUpdateTime: context.now, lastTransitionTime: context.now };

  it('says who asks, and is one', () => {
    expect(csr()).toMatchObject({ stored: { spec: expect.not.objectContaining({ username: expect.anything() }) }, wrong: [] });
    // Any name will do that a path can hold.
    const { validateName } = served(csr().stored)?.definition ?? {};
    expect(validateName?.('system:A_b', false)).toEqual([]);
    expect(validateName?.('a/b', false)).toEqual(["may not contain '/'"]);
    const short = btoa('-----BEGIN CERTIFICATE REQUEST-----\nAwAA\n-----END CERTIFICATE REQUEST-----\n');
    expect(csr({ request: short }).wrong).toEqual([`spec.request: Invalid value: "${short}": asn1: syntax error: data truncated`]);
  });

  it.each([
    ['a.b/c/d', [`"a.b/c/d": must be a fully qualified domain and path of the form 'example.com/signer-name'`]],
    ['local/x', ['"local": should be a domain with at least two segments separated by dots']],
    ['a.B.C/d', [expect.stringContaining('"a.B.C": validating label "B": a lowercase RFC 1123 label')]],
    ['a.b/', [expect.stringContaining('"": validating label "": a lowercase RFC 1123 subdomain')]],
  ])('is for a signer with a name: %s', (signerName, messages) => {
    expect(csr({ signerName }).wrong.map((text) => text.replace('spec.signerName: Invalid value: ', ''))).toEqual(messages);
  });

  it('lets approval decide for good, and no more', () => {
    const { stored } = csr();
    const approved = write(stored, 'approval', { conditions: [{ type: 'Approved', status: 'True' }], certificate: 'sneaked in' });
    expect(approved).toMatchObject({ next: { status: { conditions: [{ type: 'Approved', status: 'True', ...times }] } }, wrong: [] });
    expect(approved.next.status).not.toHaveProperty('certificate');
    expect(row(approved.next)).toMatchObject({ Condition: 'Approved', RequestedDuration: '<none>' });
    const conditions = [{ type: 'Denied', status: 'False' }];
    expect(write(approved.next, 'approval', { conditions }).wrong).toEqual([
      'status.conditions[0].status: Unsupported value: "False": supported values: "True"',
      'status.conditions: Forbidden: updates may not remove a condition of type "Approved"',
    ]);
  });

  it('lets status issue, and not decide', async () => {
    const denied = { ...csr().stored, status: { conditions: [{ type: 'Denied', status: 'True' }] } };
    const validity = { notBefore: new Date('2026-01-01'), notAfter: new Date('2027-01-01') };
    const authority = await createCertificateAuthority({ commonName: 'ca', ...validity });
    const certificate = btoa(await signRequest(authority, pem, { usages: ['client auth'], ...validity }));
    const kept = write(denied, 'status', { conditions: [{ type: 'Denied', status: 'True', reason: 'mine' }], certificate });
    expect(kept).toMatchObject({ next: { status: { conditions: [{ type: 'Denied' }] } }, wrong: [] });
    expect(kept.next.status?.conditions?.[0]).not.toHaveProperty('reason');
    expect(row(kept.next)).toMatchObject({ Condition: 'Denied,Issued' });
    expect(write(kept.next, 'status', { conditions: [{ type: 'Approved', status: 'True' }], certificate: btoa('x') }).wrong).toEqual([
      'status.certificate: Invalid value: "<certificate data>": must contain at least one CERTIFICATE PEM block',
      'status.conditions: Forbidden: updates may not remove a condition of type "Denied"',
      'status.conditions: Forbidden: updates may not add a condition of type "Approved"',
      'status.certificate: Forbidden: updates may not modify existing certificate content',
    ]);
  });
});

describe('a pod certificate request', () => {
  const uids = { podUID: 'p', serviceAccountUID: 's', nodeUID: 'n' };
  const names = { signerName: 'example.com/a', podName: 'p', serviceAccountName: 's', nodeName: 'n' };
  const pcr = (spec: object = {}) =>
    accept({
      apiVersion: 'certificates.k8s.io/v1beta1',
      kind: 'PodCertificateRequest',
      ...{ metadata, spec: { ...names, ...uids, maxExpirationSeconds: 3600, ...spec } },
    });

  it('names the annotations that its pod gives it', () => {
    expect(pcr({ unverifiedUserAnnotations: { Plain: '', 'A.b/c': '' } }).wrong).toEqual([
      'spec.unverifiedUserAnnotations: Invalid value: "plain": must be a domain-prefixed key (such as "acme.io/foo")',
    ]);
  });

  it('ends in one of three ways', () => {
    const stored = pcr().stored as PodCertificateRequest;
    const condition = (type: string) => ({ type, status: 'True', reason: 'R', message: '', lastTransitionTime: context.now });
    expect(write(stored, 'status', { conditions: [condition('Denied'), condition('Failed')] }).wrong).toEqual([
      'status.conditions.[1].type: Invalid value: "Failed": There may be at most one condition with type "Issued", "Denied", or "Failed"',
    ]);
    expect(write(stored, 'status', { conditions: [condition('Issued')], certificateChain: pem }).wrong).toEqual([
      expect.stringContaining('issued certificate chain must consist entirely of CERTIFICATE PEM blocks'),
    ]);
    expect(write(stored, 'status', { conditions: [condition('Denied')] }).wrong).toEqual([]);
  });
});
