/** Debian's docker-registry on loopback, for tests that pull. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestOf, type Image, mediaTypes } from './images.ts';
import { eventually, freePort } from './wait.ts';

export interface TestRegistry {
  /** `http://127.0.0.1:PORT` */
  url: string;
  push(image: Image, repository: string, tag: string): Promise<void>;
  stop(): Promise<void>;
}

export async function startRegistry(): Promise<TestRegistry> {
  const dir = mkdtempSync(join(tmpdir(), 'k8ts-registry-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const config = join(dir, 'config.yml');
  writeFileSync(
    config,
    `version: 0.1\nlog: { level: error }\nstorage: { filesystem: { rootdirectory: ${dir}/data } }\nhttp: { addr: 127.0.0.1:${port} }\n`,
  );
  const child: ChildProcess = spawn('docker-registry', ['serve', config], { stdio: 'ignore' });
  await eventually('the registry answers', async () => (await fetch(`${url}/v2/`)).ok);

  const pushBlob = async (repository: string, bytes: Buffer) => {
    const begin = await fetch(`${url}/v2/${repository}/blobs/uploads/`, { method: 'POST' });
    const location = new URL(begin.headers.get('location') ?? '', url);
    location.searchParams.set('digest', digestOf(bytes));
    const put = await fetch(location, {
      method: 'PUT',
      body: new Uint8Array(bytes),
      headers: { 'content-type': 'application/octet-stream' },
    });
    if (!put.ok) throw new Error(`pushing a blob of ${repository}: ${put.status} ${await put.text()}`);
  };
  return {
    url,
    async push(image, repository, tag) {
      await pushBlob(repository, image.layer);
      await pushBlob(repository, image.config);
      const put = await fetch(`${url}/v2/${repository}/manifests/${tag}`, {
        method: 'PUT',
        body: new Uint8Array(image.manifest),
        headers: { 'content-type': mediaTypes.manifest },
      });
      if (!put.ok) throw new Error(`pushing ${repository}:${tag}: ${put.status} ${await put.text()}`);
    },
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill();
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
