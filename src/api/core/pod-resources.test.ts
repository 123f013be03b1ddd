import { expect, it } from 'vitest';
import type { PodSpec, ResourceList } from '../generated/core.v1.ts';
import { podLimits, podRequests, toResourceList } from './pod-resources.ts';

const container = (requests: ResourceList, limits: ResourceList = {}, more = {}) => ({
  name: 'c',
  resources: { requests, limits },
  ...more,
});
const sidecar = { restartPolicy: 'Always' };

it.each<[string, Partial<PodSpec>, ResourceList]>([
  [
    'containers together',
    { containers: [container({ cpu: '100m', memory: '64Mi' }), container({ memory: '64Mi' })] },
    { cpu: '100m', memory: '128Mi' },
  ],
  ['the greatest step of the start', { containers: [container({ cpu: '1' })], initContainers: [container({ cpu: '3' })] }, { cpu: '3' }],
  [
    'sidecars beside the steps that follow them and beside the containers',
    {
      containers: [container({ cpu: '1' })],
      initContainers: [container({ cpu: '2' }), container({ cpu: '500m' }, {}, sidecar), container({ cpu: '2' })],
    },
    { cpu: '2500m' },
  ],
  [
    'what the pod says as a whole, and overhead',
    {
      containers: [container({ cpu: '1', memory: '1Gi' })],
      resources: { requests: { cpu: '3' } },
      overhead: { cpu: '250m', memory: '1Gi' },
    },
    { cpu: '3250m', memory: '2Gi' },
  ],
])('requests are %s', (_, spec, expected) => {
  expect(toResourceList(podRequests({ containers: [], ...spec } as PodSpec))).toEqual(expected);
});

it('adds overhead to limits that there are', () => {
  const spec = { containers: [container({}, { cpu: '1' })], overhead: { cpu: '250m', memory: '64Mi' } } as PodSpec;
  expect(toResourceList(podLimits(spec))).toEqual({ cpu: '1250m' });
});
