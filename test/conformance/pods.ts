/** The pods that conformance looks at, all started at once. */
import type { Container, PodSpec } from '../../src/api/index.ts';

export const image = 'example.test/tools:1';

export type Shell = Partial<Container> & { name?: string };

/** A container that runs a shell script. */
export const shell = (script: string, more: Shell = {}): Container => ({
  name: 'main',
  image,
  imagePullPolicy: 'Never',
  command: ['sh', '-c', script],
  ...more,
});

export const forever = 'trap "exit 0" TERM; while :; do sleep 0.1; done';

export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  spec?: unknown;
  data?: Record<string, string>;
}

export const pod = (
  name: string,
  containers: Container[],
  more: Partial<PodSpec> = {},
  metadata: Partial<Manifest['metadata']> = {},
): Manifest => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, ...metadata },
  spec: { restartPolicy: 'Never', terminationGracePeriodSeconds: 1, automountServiceAccountToken: false, ...more, containers },
});

const mebibytes = (count: number, file: string) => `dd if=/dev/zero of=${file} bs=1M count=${count} 2>/dev/null; ${forever}`;

export const endings = pod('endings', [
  shell('printf DONE >/dev/termination-log', { name: 'file' }),
  shell('printf CUSTOM >/tmp/last-words', {
    name: 'custom',
    terminationMessagePath: '/tmp/last-words',
    securityContext: { runAsUser: 1000 },
  }),
  shell('printf TAIL; exit 3', { name: 'fallback', terminationMessagePolicy: 'FallbackToLogsOnError' }),
  shell('printf TAIL', { name: 'no-fallback', terminationMessagePolicy: 'FallbackToLogsOnError' }),
  shell('tail /dev/zero', { name: 'greedy', resources: { limits: { memory: '20Mi' } } }),
  shell('', { name: 'no-program', command: ['/no/such'] }),
]);

export const images = pod('images', [
  shell('', { name: 'never', image: 'nobody/nothing:1' }),
  shell('', { name: 'unreadable', image: 'Not@A:Name:x' }),
]);

export const secured = pod(
  'secured',
  [
    shell(
      'id; touch /x 2>&1; grep -E "CapBnd|NoNewPrivs|Seccomp:" /proc/self/status; cat /proc/sys/kernel/shm_rmid_forced; touch /data/f; ls -ln /data | grep f; df -k /memory | tail -1',
      {
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] },
          seccompProfile: { type: 'RuntimeDefault' },
        },
        volumeMounts: [
          { name: 'data', mountPath: '/data' },
          { name: 'memory', mountPath: '/memory' },
        ],
      },
    ),
  ],
  {
    securityContext: {
      runAsUser: 1001,
      runAsGroup: 2001,
      fsGroup: 3001,
      supplementalGroups: [4001],
      sysctls: [{ name: 'kernel.shm_rmid_forced', value: '1' }],
    },
    volumes: [
      { name: 'data', emptyDir: {} },
      { name: 'memory', emptyDir: { medium: 'Memory', sizeLimit: '10Mi' } },
    ],
  },
);

export const refused = [
  pod('unsafe-sysctl', [shell(forever)], { securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] } }),
  pod('own-users', [shell(forever)], { hostUsers: false }),
  pod('root', [shell(forever)], { securityContext: { runAsNonRoot: true } }),
];

export const overLimits = [
  pod('full-volume', [shell(mebibytes(20, '/data/f'), { volumeMounts: [{ name: 'data', mountPath: '/data' }] })], {
    volumes: [{ name: 'data', emptyDir: { sizeLimit: '5Mi' } }],
  }),
  pod('full-layer', [shell(mebibytes(20, '/f'), { resources: { limits: { 'ephemeral-storage': '10Mi' } } })]),
];

export const talker = pod('talker', [
  shell('i=0; while :; do i=$((i+1)); echo "line $i of a log that grows and grows and grows"; [ $((i%50)) = 0 ] && sleep 0.1; done'),
]);

/** `dir` is a folder of the host in which they write down what happens. */
export const ends = (dir: string) => {
  const volumes = [{ name: 'host', hostPath: { path: dir, type: 'DirectoryOrCreate' as const } }];
  const volumeMounts = [{ name: 'host', mountPath: '/host' }];
  const onTerm = (name: string, file: string) => `trap "echo ${name} >>/host/${file}; exit 0" TERM; while :; do sleep 0.1; done`;
  return [
    pod(
      'hooked',
      [
        shell(onTerm('TERM', 'hooked'), {
          volumeMounts,
          lifecycle: {
            postStart: { exec: { command: ['sh', '-c', 'echo postStart >>/host/hooked'] } },
            preStop: { exec: { command: ['sh', '-c', 'echo preStop >>/host/hooked; sleep 1; echo stopped >>/host/hooked'] } },
          },
        }),
      ],
      { volumes, terminationGracePeriodSeconds: 20 },
    ),
    pod('served', [shell('sleep 2; echo main >>/host/served', { volumeMounts })], {
      volumes,
      terminationGracePeriodSeconds: 20,
      initContainers: ['first', 'second'].map((name) => shell(onTerm(name, 'served'), { name, restartPolicy: 'Always', volumeMounts })),
    }),
  ];
};

export const badHook = pod(
  'bad-hook',
  [shell(forever, { lifecycle: { postStart: { exec: { command: ['sh', '-c', 'echo a secret; exit 1'] } } } })],
  { restartPolicy: 'Always' },
);

export const grpcProbed = pod('grpc-probed', [shell(forever, { readinessProbe: { grpc: { port: 9 }, periodSeconds: 1 } })]);

const web = 'mkdir /www; hostname >/www/name; exec httpd -f -p 8080 -h /www';
export const webs = ['web-1', 'web-2'].map((name) =>
  pod(name, [shell(web)], { hostname: name, subdomain: 'names' }, { labels: { app: 'web' } }),
);
export const client = pod('client', [shell(forever)]);
export const datagrams = (name: string) =>
  pod(name, [shell('exec socat UDP-RECVFROM:9000,fork SYSTEM:"read line; hostname"')], {}, { labels: { app: 'datagrams' } });

const service = (name: string, spec: unknown): Manifest => ({ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec });
const ports = [{ port: 80, targetPort: 8080 }];
export const services = [
  service('web', { selector: { app: 'web' }, ports }),
  service('sticky', { selector: { app: 'web' }, sessionAffinity: 'ClientIP', ports }),
  service('names', { selector: { app: 'web' }, clusterIP: 'None', ports: [{ name: 'http', port: 8080 }] }),
  service('alias', { type: 'ExternalName', externalName: 'web.default.svc.cluster.local' }),
  service('local', { type: 'LoadBalancer', externalTrafficPolicy: 'Local', selector: { app: 'web' }, ports }),
  service('nobody', { selector: { app: 'nobody' }, ports }),
  service('datagrams', { selector: { app: 'datagrams' }, ports: [{ port: 9000, protocol: 'UDP' }] }),
];
