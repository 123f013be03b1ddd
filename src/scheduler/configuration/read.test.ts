import { expect, test } from 'vitest';
import { readConfiguration } from './read.ts';

const head = 'apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n';

test('reads profiles, arguments and leader election', () => {
  const text = `${head}
leaderElection: { leaderElect: true, leaseDuration: 30s }
enableProfiling: true
enableContentionProfiling: true
percentageOfNodesToScore: 40
profiles:
- schedulerName: packer
  plugins:
    score: { disabled: [{ name: "*" }], enabled: [{ name: NodeResourcesFit, weight: 5 }] }
  pluginConfig:
  - name: NodeResourcesFit
    args: { scoringStrategy: { type: MostAllocated, resources: [{ name: cpu, weight: 3 }] } }
`;
  expect(readConfiguration(text)).toMatchObject({
    leaderElection: { leaderElect: true, leaseDuration: '30s' },
    enableProfiling: true,
    percentageOfNodesToScore: 40,
    profiles: [
      {
        schedulerName: 'packer',
        plugins: { score: { disabled: [{ name: '*' }], enabled: [{ name: 'NodeResourcesFit', weight: 5 }] } },
        pluginConfig: [{ args: { scoringStrategy: { type: 'MostAllocated' } } }],
      },
    ],
  });
});

test.each([
  ['foo: 1', `Object 'Kind' is missing in "foo: 1"`],
  [
    'apiVersion: kubescheduler.config.k8s.io/v1beta3\nkind: KubeSchedulerConfiguration',
    'no kind "KubeSchedulerConfiguration" is registered for version "kubescheduler.config.k8s.io/v1beta3" in scheme "pkg/scheduler/apis/config/scheme/scheme.go"',
  ],
  [`${head}profiles: [{ schedulerNam: a }]`, 'strict decoding error: unknown field "profiles[0].schedulerNam"'],
  [
    `${head}profiles: [{ pluginConfig: [{ name: NodeResourcesFit, args: { ignored: [a] } }] }]`,
    'decoding .profiles.pluginConfig: decoding args for plugin NodeResourcesFit: strict decoding error: unknown field "ignored"',
  ],
  [`${head}percentageOfNodesToScore: 101`, 'percentageOfNodesToScore: Invalid value: 101: not in valid range [0-100]'],
  [
    `${head}podInitialBackoffSeconds: 20`,
    'podMaxBackoffSeconds: Invalid value: 10: must be greater than or equal to PodInitialBackoffSeconds',
  ],
  [`${head}profiles: [{ schedulerName: a }, { schedulerName: a }]`, 'profiles[1].schedulerName: Duplicate value: "a"'],
  [
    `${head}extenders: [{ urlPrefix: "http://a", prioritizeVerb: p }]`,
    'extenders[0].weight: Invalid value: 0: must have a positive weight applied to it',
  ],
  [
    `${head}profiles: [{ pluginConfig: [{ name: InterPodAffinity, args: { hardPodAffinityWeight: 101 } }] }]`,
    'profiles[0].pluginConfig[0].args.hardPodAffinityWeight: Invalid value: 101: not in valid range [0-100]',
  ],
  [
    `${head}profiles: [{ plugins: { filter: { enabled: [{ name: Foo }] } } }]`,
    'initializing profiles: creating profile for scheduler name default-scheduler: FilterPlugin "Foo" does not exist',
  ],
])('refuses %j', (text, message) => {
  expect(() => readConfiguration(text)).toThrow(expect.objectContaining({ message }));
});
