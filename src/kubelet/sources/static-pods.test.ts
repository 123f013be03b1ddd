import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Pod } from '../../api/index.ts';
import { startTestKubelet } from '../testing.ts';

let folder: string;
let t: Awaited<ReturnType<typeof startTestKubelet>>;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'k8ts-static-'));
});
afterEach(async () => {
  await t.stop();
  await rm(folder, { recursive: true });
});

const manifest = (image: string) =>
  `apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: kube-system}\nspec: {containers: [{name: main, image: "${image}"}]}\n`;
const mirror = async () => (await t.client.list(Pod, { namespace: 'kube-system' })).items[0];

/** inotify is real time: waits for what it leads to. */
async function until(what: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 300 && !(await what()); i++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    await t.advance(100);
  }
  expect(await what()).toBe(true);
}

it('runs the pods in a folder, shows them in the API, and follows changes', async () => {
  await writeFile(join(folder, 'web.yaml'), manifest('nginx:1'));
  await writeFile(join(folder, 'broken.yaml'), 'kind: [');
  t = await startTestKubelet({ kubelet: { config: { staticPodPath: folder } } });
  await until(async () => (await mirror())?.status?.phase === 'Running');
  const first = await mirror();
  expect(first?.metadata.name).toBe('web-node-1');
  expect(first?.metadata.annotations).toMatchObject({
    'kubernetes.io/config.source': 'file',
    'kubernetes.io/config.mirror': expect.any(String),
  });

  await t.client.delete(Pod, 'web-node-1', { namespace: 'kube-system', gracePeriodSeconds: 0 });
  await until(async () => (await mirror())?.status?.phase === 'Running');
  expect((await mirror())?.status?.containerStatuses?.[0]?.containerID).toBe(first?.status?.containerStatuses?.[0]?.containerID);

  await writeFile(join(folder, 'web.yaml'), manifest('nginx:2'));
  await until(async () => (await mirror())?.status?.containerStatuses?.[0]?.image === 'nginx:2');
  expect((await t.runtime.listContainers({})).containers).toHaveLength(1);

  await rm(join(folder, 'web.yaml'));
  await until(async () => (await mirror()) === undefined && t.kubelet.pods().length === 0);
  expect((await t.runtime.listPodSandbox({})).items).toEqual([]);
});
