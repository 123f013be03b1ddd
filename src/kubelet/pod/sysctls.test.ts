import { expect, it } from 'vitest';
import type { Pod, PodSpec } from '../../api/index.ts';
import { dottedSysctl, refusedSysctl } from './sysctls.ts';

const pod = (name: string, spec: Partial<PodSpec> = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'ns', uid: 'u', resourceVersion: '1', creationTimestamp: '' },
  spec: { containers: [], securityContext: { sysctls: [{ name, value: '1' }] }, ...spec },
});

it.each([
  ['kernel.shm_rmid_forced', {}, [], undefined],
  ['net/ipv4/tcp_syncookies', {}, [], undefined],
  ['kernel.msgmax', {}, [], 'forbidden sysctl: "kernel.msgmax" not allowlisted'],
  ['kernel.msgmax', {}, ['kernel.msg*'], undefined],
  ['kernel.msgmax', { hostIPC: true }, ['kernel.msgmax'], 'forbidden sysctl: "kernel.msgmax" not allowed with host IPC enabled'],
  ['net.ipv4.tcp_syncookies', { hostNetwork: true }, [], 'forbidden sysctl: "net.ipv4.tcp_syncookies" not allowed with host Net enabled'],
])('judges %s with %o and %o allowed', (name, spec, allowed, message) => {
  const refused = refusedSysctl(pod(name, spec), allowed);
  expect(refused).toEqual(message && { reason: 'SysctlForbidden', message: `Pod was rejected: ${message}` });
});

it('turns slashes to dots, and dots in interface names to slashes', () => {
  expect(dottedSysctl('net/ipv4/conf/eno2.100/rp_filter')).toBe('net.ipv4.conf.eno2/100.rp_filter');
  expect(dottedSysctl('net.ipv4.conf.eno2/100.rp_filter')).toBe('net.ipv4.conf.eno2/100.rp_filter');
});
