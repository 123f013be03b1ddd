/**
 * How soon a custom resource is there: from the creation of its definition until an object of it has been created, on a durable store,
 * by a client that tries again as soon as it is refused. `node bench/definitions.ts [DEFINITIONS]`, default 50.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CustomResourceDefinition, deepCopy, StatusError } from '../src/api/index.ts';
import { openEmbeddedStore } from '../src/store/index.ts';
import { CronTab, cronTab, cronTabs } from '../test/custom-resources/definitions.ts';
import { startApiServer } from '../test/support/api-server.ts';
import { machine, median, table } from './report.ts';

const count = Number(process.argv[2] ?? 50);
const dir = mkdtempSync(join(tmpdir(), 'k8ts-bench-'));
const api = await startApiServer({ store: await openEmbeddedStore({ dir }) });
const times: number[] = [];
try {
  for (let i = 0; i < count; i++) {
    const group = `g${i}.example.com`;
    const definition = deepCopy(cronTabs);
    definition.metadata.name = `crontabs.${group}`;
    definition.spec.group = group;
    const resource = { ...CronTab, group };
    const object = { ...cronTab('a'), apiVersion: `${group}/v1` };
    const isThere = () =>
      api.admin.create(resource, object, { namespace: 'default' }).catch((error: unknown) => {
        if (!(error instanceof StatusError) || error.code !== 404) throw error;
      });
    const begin = performance.now();
    await api.admin.create(CustomResourceDefinition, definition);
    while (!(await isThere()));
    times.push(performance.now() - begin);
  }
} finally {
  await api.close();
  rmSync(dir, { recursive: true, force: true });
}
times.sort((a, b) => a - b);
const ms = (value: number | undefined) => `${(value ?? 0).toFixed(1)} ms`;
console.log(machine());
console.log(
  table(
    ['from a definition to its first object', 'median', 'worst', 'target'],
    [[`${count} definitions`, ms(median(times)), ms(times.at(-1)), '100 ms']],
  ),
);
