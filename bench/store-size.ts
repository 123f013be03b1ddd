/**
 * A large store, and the past of a busy one: `node bench/store-size.ts [OBJECTS]`. How long a store with so many pods (default 100,000)
 * takes to open, the watch cache to fill from it, and what memory they take; then what an hour of history costs at ten writes a
 * second, and reading it.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { arch, cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pod } from '../src/api/index.ts';
import { openResourceStorage } from '../src/server/storage/resource-storage.ts';
import { openEmbeddedStore } from '../src/store/index.ts';
import { systemClock, VirtualClock } from '../src/time/index.ts';

/** A running pod as a cluster has thousands of: 3.3 kB. */
function pod(i: number): Buffer {
  const time = '2026-01-02T03:04:05Z';
  const condition = (type: string) => ({ type, status: 'True', observedGeneration: 1, lastProbeTime: null, lastTransitionTime: time });
  const owned = (name: string) => ({ manager: name, operation: 'Update', apiVersion: 'v1', time, fieldsType: 'FieldsV1' });
  const fields = {
    'f:metadata': {
      'f:generateName': {},
      'f:labels': { '.': {}, 'f:app': {}, 'f:pod-template-hash': {} },
      'f:ownerReferences': { '.': {} },
    },
  };
  const container = {
    'k:{"name":"web"}': { '.': {}, 'f:image': {}, 'f:imagePullPolicy': {}, 'f:name': {}, 'f:ports': { '.': {} }, 'f:resources': {} },
  };
  return Buffer.from(
    JSON.stringify({
      kind: 'Pod',
      apiVersion: 'v1',
      metadata: {
        name: `web-6d4cf56db6-${i}`,
        generateName: 'web-6d4cf56db6-',
        namespace: `team-${i % 100}`,
        uid: `4e1c0a52-0f0f-4a8e-9f3c-${String(i).padStart(12, '0')}`,
        creationTimestamp: time,
        labels: { app: 'web', 'pod-template-hash': '6d4cf56db6' },
        ownerReferences: [
          {
            apiVersion: 'apps/v1',
            kind: 'ReplicaSet',
            name: 'web-6d4cf56db6',
            uid: `${i % 1000}`,
            controller: true,
            blockOwnerDeletion: true,
          },
        ],
        managedFields: [
          {
            ...owned('kube-controller-manager'),
            fieldsV1: { ...fields, 'f:spec': { 'f:containers': container, 'f:dnsPolicy': {}, 'f:restartPolicy': {} } },
          },
          {
            ...owned('kubelet'),
            subresource: 'status',
            fieldsV1: { 'f:status': { 'f:conditions': container, 'f:phase': {}, 'f:podIP': {}, 'f:podIPs': container } },
          },
        ],
      },
      spec: {
        volumes: [
          {
            name: 'kube-api-access',
            projected: {
              sources: [{ serviceAccountToken: { expirationSeconds: 3607, path: 'token' } }, { configMap: { name: 'kube-root-ca.crt' } }],
              defaultMode: 420,
            },
          },
        ],
        containers: [
          {
            name: 'web',
            image: 'registry.example.com/shop/web:1.27',
            ports: [{ containerPort: 80, protocol: 'TCP' }],
            resources: { requests: { cpu: '100m', memory: '128Mi' } },
            volumeMounts: [{ name: 'kube-api-access', readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }],
            imagePullPolicy: 'IfNotPresent',
            terminationMessagePath: '/dev/termination-log',
          },
        ],
        restartPolicy: 'Always',
        terminationGracePeriodSeconds: 30,
        nodeName: `node-${i % 500}`,
        tolerations: [{ key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 }],
      },
      status: {
        phase: 'Running',
        conditions: ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map(condition),
        hostIP: '10.0.0.1',
        podIP: `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`,
        startTime: time,
        containerStatuses: [
          {
            name: 'web',
            state: { running: { startedAt: time } },
            ready: true,
            restartCount: 0,
            image: 'registry.example.com/shop/web:1.27',
            imageID: 'sha256:0',
            containerID: `containerd://${i}`,
            started: true,
          },
        ],
      },
    }),
  );
}

const key = (i: number) => `/registry/pods/team-${i % 100}/web-6d4cf56db6-${i}`;
const megabytes = (bytes: number) => Math.round(bytes / 1e6);

/** In a process of its own, so that what it leaves in memory is not counted. */
async function write(dir: string, objects: number): Promise<void> {
  const store = await openEmbeddedStore({ dir, retention: { historyRevisions: 1 } });
  for (let i = 0; i < objects; i += 200)
    await store.commit(
      [],
      Array.from({ length: Math.min(200, objects - i) }, (_, j) => ({ put: key(i + j), value: pod(i + j) })),
    );
  await store.close();
}

async function large(dir: string, objects: number): Promise<Record<string, string | number>> {
  const { status } = spawnSync(process.execPath, [import.meta.filename, '--write', dir, String(objects)], { stdio: 'inherit' });
  if (status !== 0) throw new Error('could not write the objects');
  const start = performance.now();
  const store = await openEmbeddedStore({ dir });
  const opened = performance.now();
  const storage = openResourceStorage({
    store,
    prefix: '/registry/pods',
    resource: Pod,
    clock: systemClock,
    indexes: ['spec.nodeName'],
  });
  await storage.ready();
  const filled = performance.now();
  const row = {
    objects: storage.count(),
    'file MB': megabytes(statSync(join(dir, 'store.mdb')).size),
    'open ms': Math.round(opened - start),
    'fill ms': Math.round(filled - opened),
    // The file's pages are the page cache's, though they are mapped.
    'heap and buffers MB': megabytes(process.memoryUsage().heapUsed + process.memoryUsage().external),
  };
  storage.close();
  await store.close();
  return row;
}

async function history(dir: string): Promise<Record<string, string | number>> {
  const clock = new VirtualClock();
  const store = await openEmbeddedStore({ dir, clock, retention: { historyMs: 2 * 3_600_000 } });
  for (let i = 0; i < 1000; i++) await store.commit([], [{ put: key(i), value: pod(i) }]);
  const before = await store.sizeBytes();
  const begin = clock.now();
  for (let second = 0; second < 3600; second++) {
    await Promise.all(Array.from({ length: 10 }, (_, j) => store.commit([], [{ put: key((second * 10 + j) % 1000), value: pod(second) }])));
    await clock.advance(1000);
  }
  const bytes = (await store.sizeBytes()) - before;
  const timed = async (work: () => Promise<unknown>) => {
    const start = performance.now();
    await work();
    return (performance.now() - start).toFixed(1);
  };
  const revision = (await store.times?.revisionAt(begin + 60_000)) ?? 0;
  const row = {
    'MB for an hour of 10 writes/s': megabytes(bytes),
    'bytes a write': Math.round(bytes / 36_000),
    'revision at a time ms': await timed(async () => store.times?.revisionAt(begin + 60_000)),
    'get 59 min ago ms': await timed(() => store.get(key(5), { revision })),
    'list 59 min ago ms': await timed(() => store.range('/registry/pods/', { revision })),
  };
  await store.close();
  return row;
}

const [first = '100000', ...rest] = process.argv.slice(2);
if (first === '--write') await write(rest[0] ?? '', Number(rest[1]));
else {
  const base = mkdtempSync(join(tmpdir(), 'k8ts-bench-'));
  try {
    const rows = [await large(join(base, 'large'), Number(first)), await history(join(base, 'history'))];
    console.log(
      `${cpus().length} × ${cpus()[0]?.model ?? arch()}, Linux ${release()}, Node ${process.version}, pods of ${pod(1).length} bytes, ${base}`,
    );
    for (const row of rows) console.table([row]);
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
}
