/** Static pods: manifests in a folder, read at start and whenever the folder changes. */
import { createHash } from 'node:crypto';
import { watch } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { parseAllDocuments } from 'yaml';
import { type Pod, yamlOptions } from '../../api/index.ts';
import { type Clock, timestamp } from '../../time/index.ts';
import { configHash, configSeen, configSource } from '../pod/identity.ts';

export interface StaticPodOptions {
  /** A folder, or a single file. */
  path: string;
  nodeName: string;
  clock: Clock;
  logger: Logger;
}

/** A static pod as this node runs it: a name of its own per node, a uid that follows from the manifest, tolerating what befalls the node. */
export function staticPod(manifest: Pod, nodeName: string, file: string, seen: string): Pod {
  // Upstream's: node, file and manifest decide the uid, so that a changed manifest is another pod.
  const hash = createHash('md5').update(`host:${nodeName}`).update(`file:${file}`).update(JSON.stringify(manifest)).digest('hex');
  const uid = manifest.metadata.uid || hash;
  return {
    ...manifest,
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...manifest.metadata,
      name: `${manifest.metadata.name}-${nodeName.toLowerCase()}`,
      namespace: manifest.metadata.namespace || 'default',
      uid,
      annotations: { ...manifest.metadata.annotations, [configHash]: uid, [configSeen]: seen, [configSource]: 'file' },
    },
    spec: {
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
      dnsPolicy: 'ClusterFirst',
      enableServiceLinks: true,
      ...manifest.spec,
      nodeName,
      tolerations: [...(manifest.spec.tolerations ?? []), { operator: 'Exists', effect: 'NoExecute' }],
    },
    status: { phase: 'Pending' },
  };
}

const isPod = (value: unknown): value is Pod =>
  typeof value === 'object' &&
  value !== null &&
  'kind' in value &&
  value.kind === 'Pod' &&
  'metadata' in value &&
  typeof (value.metadata as { name?: unknown } | undefined)?.name === 'string' &&
  'spec' in value &&
  Array.isArray((value.spec as { containers?: unknown } | undefined)?.containers);

async function readPods({ path, nodeName, clock, logger }: StaticPodOptions): Promise<Pod[]> {
  const info = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (!info) return [];
  const files = info.isDirectory()
    ? (await readdir(path))
        .filter((name) => !name.startsWith('.'))
        .sort()
        .map((name) => join(path, name))
    : [path];
  const pods: Pod[] = [];
  for (const file of files) {
    try {
      if (!(await stat(file)).isFile()) continue;
      for (const document of parseAllDocuments(await readFile(file, 'utf8'), yamlOptions)) {
        const manifest: unknown = document.toJS();
        if (document.errors.length > 0 || !isPod(manifest))
          throw new Error(document.errors[0]?.message ?? 'it holds something that is not a Pod');
        pods.push(staticPod(manifest, nodeName, file, timestamp(clock)));
      }
    } catch (error) {
      // One bad manifest must not take the others down.
      logger.error({ err: error, file }, "Can't process manifest file");
    }
  }
  return pods;
}

/** Each time the folder may have changed: all pods in it. */
export async function* staticPods(options: StaticPodOptions, signal: AbortSignal): AsyncGenerator<Pod[]> {
  let changed = Promise.withResolvers<void>();
  const notify = () => changed.resolve();
  signal.addEventListener('abort', notify, { once: true });
  const watcher = watch(options.path, { signal }, notify);
  watcher.on('error', (error) => {
    if (!signal.aborted) options.logger.error({ err: error, path: options.path }, 'watch of the static pod folder failed');
  });
  try {
    while (!signal.aborted) {
      changed = Promise.withResolvers<void>();
      yield await readPods(options);
      await changed.promise;
      // Editors write in several steps: let them finish.
      await options.clock.sleep(50, signal).catch(() => undefined);
    }
  } finally {
    watcher.close();
  }
}
