/** What the server's OpenAPI says, held against a client that was generated from upstream's: @kubernetes/client-node. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';

interface Schema {
  $ref?: string;
  type?: string;
  required?: string[];
  properties?: Record<string, Schema>;
}
interface Operation {
  parameters?: { $ref?: string; name: string; in: string; required?: boolean }[];
  responses: Record<string, { schema?: Schema }>;
}
interface Document {
  paths: Record<string, Record<string, Operation> & { parameters?: Operation['parameters'] }>;
  parameters?: Record<string, { name: string; in: string; required?: boolean }>;
  definitions: Record<string, Schema>;
}

const generated = join(import.meta.dirname, '../../node_modules/@kubernetes/client-node/dist/gen');
const read = (file: string) => readFileSync(join(generated, file), 'utf8');
const capital = (s: string) => s.charAt(0).toUpperCase() + s.slice(1);

let server: TestApiServer;
let document: Document;
beforeAll(async () => {
  // Nobody is connected with: it is only told of.
  server = await startApiServer({ server: { kubelets: { cert: '', key: '' } } });
  document = JSON.parse((await server.http('GET', '/openapi/v2')).body);
});
afterAll(() => server.close());

/** The client's operations: method, path, query parameters, whether there must be a body, and the model of each answer. */
function* operations() {
  for (const file of readdirSync(join(generated, 'apis')).filter((name) => /Api\.js$/.test(name))) {
    // What is served on request only, or by no path of its own.
    if (/alpha|^CustomObjects|^Logs|^InternalApiserver/i.test(file)) continue;
    const source = read(`apis/${file}`);
    const answers = new Map(
      [...source.matchAll(/async (\w+)WithHttpInfo\(response\) \{([\s\S]*?)\n {4}\}/g)].map(([, name, body = '']) => [
        name,
        Object.fromEntries(
          [...body.matchAll(/isCodeInRange\("(2\d+)"[\s\S]*?"(\w+)", ""\)/g)].map(([, code = '', model = '']) => [code, model]),
        ),
      ]),
    );
    for (const part of source.split(/\n {4}async (?=\w+\()/).slice(1)) {
      const path = /localVarPath = '([^']+)'/.exec(part)?.[1];
      const method = /HttpMethod\.(\w+)/.exec(part)?.[1]?.toLowerCase();
      if (path === undefined || method === undefined) continue;
      const query = [...part.matchAll(/setQueryParam\("([^"]+)"/g)].map(([, name = '']) => name);
      const needsBody = /RequiredError\("\w+", "\w+", "body"\)/.test(part);
      yield { path, method, query, needsBody, answers: answers.get(/^\w+/.exec(part)?.[0]) ?? {} };
    }
  }
}

test('every operation is there, with its parameters and answers', () => {
  const differences: string[] = [];
  let count = 0;
  for (const { path, method, query, needsBody, answers } of operations()) {
    count++;
    const item = document.paths[path];
    const operation = item?.[method];
    if (item === undefined || operation === undefined) {
      differences.push(`no ${method} ${path}`);
      continue;
    }
    const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map((p) =>
      p.$ref ? (document.parameters?.[p.$ref.replace(/^.*\//, '')] ?? p) : p,
    );
    const named = new Set(parameters.filter((p) => p.in === 'query').map((p) => p.name));
    // Alpha: a selector of shards.
    for (const name of query) if (!named.has(name) && name !== 'shardSelector') differences.push(`${method} ${path} lacks ?${name}`);
    if (parameters.some((p) => p.in === 'body' && p.required) !== needsBody) differences.push(`${method} ${path}: body`);
    for (const [code, model] of Object.entries(answers)) {
      const { schema } = operation.responses[code] ?? {};
      const type = schema?.$ref?.replace(/^.*\./, '') ?? schema?.type;
      if (type === undefined || !model.toLowerCase().endsWith(type.toLowerCase()))
        differences.push(`${method} ${path} ${code}: ${type}, not ${model}`);
    }
  }
  expect(differences).toEqual([]);
  expect(count).toBeGreaterThan(800);
});

test('every type has its fields, and says which of them must be there', () => {
  const differences: string[] = [];
  let count = 0;
  for (const [name, { properties, required = [] }] of Object.entries(document.definitions)) {
    const [, group = '', version = '', kind = ''] = /\.([a-z0-9]+)\.(v[0-9a-z]+)\.([A-Za-z]+)$/.exec(name) ?? [];
    const model = [capital(group) + capital(version) + kind, capital(version) + kind].find((m) =>
      existsSync(join(generated, `models/${m}.d.ts`)),
    );
    if (model === undefined || properties === undefined || version.includes('alpha')) continue;
    count++;
    const fields = [...read(`models/${model}.js`).matchAll(/"baseName": "([^"]+)"/g)].map(([, field = '']) => field);
    expect(Object.keys(properties).sort(), name).toEqual(fields.sort());
    const declared = read(`models/${model}.d.ts`)
      .replace(/\/\*\*[\s\S]*?\*\//g, '')
      .replace(/^[\s\S]*export declare class/, '');
    const needed = [...declared.matchAll(/^\s*'_?([^']+)': /gm)].map(([, field = '']) => field).filter((field) => field in properties);
    if (needed.sort().join() !== [...required].sort().join()) differences.push(`${name}: ${required}, not ${needed}`);
  }
  expect(differences).toEqual([]);
  expect(count).toBeGreaterThan(700);
});
