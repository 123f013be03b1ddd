import { describe, expect, it } from 'vitest';
import { FieldErrors, fieldErrorMessage } from '../fields.ts';
import type { Pod, PodSpec, PodStatus } from '../generated/core.v1.ts';
import { validatePodResize } from './pod-resize.ts';
import { defaultPodSpec } from './pod-spec.ts';
import { validatePodStatusUpdate } from './pod-status-update.ts';
import { validateEphemeralContainersUpdate, validatePodUpdate } from './pod-update.ts';

function pod(spec: Partial<PodSpec> = {}, status: PodStatus = {}, annotations?: Record<string, string>): Pod {
  const made: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'work', uid: 'u', ...(annotations && { annotations }) } as Pod['metadata'],
    spec: { containers: [{ name: 'a', image: 'a' }], ...spec },
    status,
  };
  defaultPodSpec(made.spec);
  return made;
}

type Check = (next: Pod, prev: Pod, errors: FieldErrors) => void;

function problems(check: Check, next: Pod, prev: Pod): string[] {
  const errors = new FieldErrors();
  check(next, prev, errors);
  return errors.list.map(fieldErrorMessage);
}

describe('validatePodUpdate', () => {
  const deadline = (activeDeadlineSeconds?: number) => pod(activeDeadlineSeconds === undefined ? {} : { activeDeadlineSeconds });

  it.each<[number | undefined, number | undefined, string[]]>([
    [undefined, 30, []],
    [30, 30, []],
    [30, 10, []],
    [30, 0, []],
    [10, 30, ['Invalid value: 30: must be less than or equal to previous value']],
    [10, -1, ['Invalid value: -1: must be between 0 and 2147483647, inclusive']],
    [10, undefined, ['Invalid value: null: must not update from a positive integer to nil value']],
  ])('changes a deadline of %s to %s', (before, after, wrong) => {
    const found = problems(validatePodUpdate, deadline(after), deadline(before));
    expect(found).toEqual(wrong.map((text) => `spec.activeDeadlineSeconds: ${text}`));
  });

  it('tells of images and tolerations as of what may change', () => {
    const prev = pod({ initContainers: [{ name: 'b', image: 'b' }] });
    const next = structuredClone(prev);
    for (const container of next.spec.containers) container.image = ' a';
    for (const container of next.spec.initContainers ?? []) container.image = '';
    next.spec.tolerations = [{ operator: 'Exists', effect: 'NoSchedule', tolerationSeconds: 1 }];
    expect(problems(validatePodUpdate, next, prev)).toEqual([
      'spec.containers[0].image: Invalid value: " a": must not have leading or trailing whitespace',
      'spec.initContainers[0].image: Required value',
      'spec.tolerations[0].effect: Invalid value: "NoSchedule": effect must be \'NoExecute\' when `tolerationSeconds` is set',
    ]);
  });

  it('says no more once a deadline is wrong', () => {
    const next = deadline(30);
    next.spec.restartPolicy = 'Never';
    expect(problems(validatePodUpdate, next, deadline(10))).toHaveLength(1);
  });
});

describe('validatePodStatusUpdate', () => {
  const update = (status: PodStatus, spec: Partial<PodSpec> = {}) => problems(validatePodStatusUpdate, pod(spec, status), pod(spec));
  const one = { name: 'a', image: 'a', imageID: '', ready: false, restartCount: 0 };

  it.each<[string, PodStatus, Partial<PodSpec>, string[]]>([
    [
      'two addresses of a family',
      { podIPs: [{ ip: '1.1.1.1' }, { ip: '1.1.1.2' }] },
      {},
      ['status.podIPs: Invalid value: [{"IP":"1.1.1.1"},{"IP":"1.1.1.2"}]: may specify no more than one IP for each IP family'],
    ],
    [
      'an address twice, as no address that it knows',
      { podIPs: [{ ip: '::1' }, { ip: '::1' }], hostIP: 'x', hostIPs: [{ ip: 'x' }, { ip: 'x' }] },
      {},
      [
        'status.podIPs: Invalid value: [{"IP":"::1"},{"IP":"::1"}]: may specify no more than one IP for each IP family',
        'status.podIPs[1]: Duplicate value: {"IP":"::1"}',
        expect.stringContaining('status.hostIPs[0]: Invalid value: "x": must be a valid IP address'),
        expect.stringContaining('status.hostIPs[1]: Invalid value: "x": must be a valid IP address'),
        'status.hostIPs[1]: Duplicate value: {"IP":"x"}',
        'status.hostIPs: Internal error: failed to check for dual stack with error:invalid IP[0]: x',
        'status.hostIPs: Invalid value: [{"IP":"x"},{"IP":"x"}]: may specify no more than one IP for each IP family',
      ],
    ],
    [
      'an address with leading zeros',
      { podIPs: [{ ip: '1.1.1.01' }] },
      {},
      ['status.podIPs[0]: Invalid value: "1.1.1.01": must not have leading 0s'],
    ],
    [
      'a claim that the pod has not',
      { resourceClaimStatuses: [{ name: 'gpu', resourceClaimName: 'x y' }] },
      {},
      [
        'status.resourceClaimStatuses[0].name: Invalid value: "gpu": must match the name of an entry in `spec.resourceClaims`',
        expect.stringContaining('status.resourceClaimStatuses[0].name: Invalid value: "x y": a lowercase RFC 1123 subdomain'),
      ],
    ],
    [
      'a user beyond what there are',
      { containerStatuses: [{ ...one, user: { linux: { uid: -1, gid: 0, supplementalGroups: [-2] } } }] },
      {},
      [
        'status.containerStatuses[0].user.linux.uid: Invalid value: -1: must be between 0 and 2147483647, inclusive',
        'status.containerStatuses[0].user.linux.supplementalGroups[0]: Invalid value: -2: must be between 0 and 2147483647, inclusive',
      ],
    ],
    [
      'a Linux user of a Windows pod',
      { containerStatuses: [{ ...one, user: { linux: { uid: 1, gid: 1 } } }] },
      { os: { name: 'windows' } },
      ['status.containerStatuses[0].user.linux: Forbidden: cannot be set for a windows pod'],
    ],
    [
      'a device that nobody asked for',
      {
        containerStatuses: [
          {
            ...one,
            allocatedResourcesStatus: [{ name: 'example.com/gpu', resources: [{ resourceID: '0', health: 'Fine' }, { resourceID: '0' }] }],
          },
        ],
      },
      {},
      [
        'status.containerStatuses[0].allocatedResourcesStatus[0].name: Invalid value: "example.com/gpu": must match one of the container\'s resource requests',
        'status.containerStatuses[0].allocatedResourcesStatus[0].resources[0].health: Unsupported value: "Fine": supported values: "Healthy", "Unhealthy", "Unknown"',
        'status.containerStatuses[0].allocatedResourcesStatus[0].resources[1].health: Unsupported value: "": supported values: "Healthy", "Unhealthy", "Unknown"',
        'status.containerStatuses[0].allocatedResourcesStatus[0].resources[1].resourceID: Duplicate value: "0"',
      ],
    ],
    [
      'devices of an ephemeral container',
      { ephemeralContainerStatuses: [{ ...one, allocatedResourcesStatus: [{ name: 'x' }] }] },
      {},
      ['status.ephemeralContainerStatuses[0].allocatedResourcesStatus: Forbidden: must not be specified in container status'],
    ],
  ])('refuses %s', (_, status, spec, wrong) => expect(update(status, spec)).toEqual(wrong));
});

describe('static pods', () => {
  const mirror = pod({}, {}, { 'kubernetes.io/config.mirror': 'x' });

  it.each<[string, Check, string]>([
    ['ephemeral containers', validateEphemeralContainersUpdate, '[]: Forbidden: static pods do not support ephemeral containers'],
    ['a resize', validatePodResize, '[]: Forbidden: static pods cannot be resized'],
  ])('take no %s', (_, check, wrong) => expect(problems(check, mirror, mirror)).toEqual([wrong]));
});

describe('validatePodResize', () => {
  const cpu = (amount: string, more: object = {}) => ({ name: 'a', image: 'a', resources: { requests: { cpu: amount } }, ...more });
  const restart = [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }] as const;
  const container = cpu('1');

  it.each<[Partial<PodSpec>, Partial<PodSpec>, string[]]>([
    [{ containers: [cpu('2')] }, { containers: [cpu('1')] }, []],
    [
      { containers: [cpu('2')], initContainers: [cpu('2', { name: 'i' })] },
      { containers: [cpu('1')], initContainers: [cpu('1', { name: 'i' })] },
      [],
    ],
    [
      { containers: [cpu('1', { name: 'b' })] },
      { containers: [container] },
      ['spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize'],
    ],
    [
      { containers: [container], initContainers: [cpu('1', { name: 'i' })] },
      { containers: [container] },
      ['spec.initContainers: Forbidden: initContainers may not be added or removed on resize'],
    ],
    [
      { containers: [{ name: 'a', image: 'a', resources: { requests: { memory: '1' } } }] },
      { containers: [container] },
      ['spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed'],
    ],
    [
      { containers: [cpu('1', { image: 'b' })] },
      { containers: [container] },
      ['spec: Forbidden: only cpu and memory resources are mutable'],
    ],
    [
      { containers: [container], initContainers: [cpu('2', { name: 'i', resizePolicy: restart })] },
      { containers: [container], initContainers: [cpu('1', { name: 'i', resizePolicy: restart })] },
      ['spec.initContainers[0]: Forbidden: non-sidecar init containers with a resize policy of RestartContainer cannot be resized'],
    ],
    [
      { containers: [container] },
      { containers: [container], resources: { requests: { cpu: '1' } } },
      ['spec.resources: Forbidden: pod-level resources cannot be removed'],
    ],
  ])('takes %j for %j: %j', (next, prev, wrong) => expect(problems(validatePodResize, pod(next), pod(prev))).toEqual(wrong));
});
