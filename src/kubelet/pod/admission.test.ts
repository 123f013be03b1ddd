import { expect, test } from 'vitest';
import type { Node, Pod } from '../../api/index.ts';
import { admitPod } from './admission.ts';

const node = { metadata: { name: 'n' } } as Node;
const asking = (requests: Record<string, string>) =>
  ({ metadata: { name: 'p' }, spec: { containers: [{ name: 'main', image: 'i', resources: { requests } }] } }) as unknown as Pod;

test.each([
  ['of another system by its label', { metadata: { labels: { 'kubernetes.io/os': 'windows' } } }, 'PodOSSelectorNodeLabelDoesNotMatch'],
  ['of another system by its field', { spec: { containers: [], os: { name: 'windows' } } }, 'PodOSNotSupported'],
  ['of this one', { spec: { containers: [], os: { name: 'linux' } } }, undefined],
])('looks at a pod %s', (_, pod, reason) => {
  const { metadata, spec } = asking({});
  expect(admitPod({ metadata, spec, ...pod } as unknown as Pod, [], node, { cpu: '1' })?.reason).toBe(reason);
});

test.each([
  ['a resource that it knows nothing of is no reason', { 'example.com/foo': '3' }, undefined],
  ['one that it has too little of is', { 'example.com/gpu': '3' }, 'OutOfexample.com/gpu'],
  ['so is one of its own that it has none of', { 'hugepages-2Mi': '2Mi' }, 'OutOfhugepages-2Mi'],
])('%s', (_, requests, reason) => {
  expect(admitPod(asking(requests), [], node, { cpu: '1', 'example.com/gpu': '2' })?.reason).toBe(reason);
});
