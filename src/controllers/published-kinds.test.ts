import { expect, test } from 'vitest';
import type { Client } from '../client/index.ts';
import { publishedKinds } from './published-kinds.ts';

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });
const gvk = [{ group: 'example.com', version: 'v1', kind: 'Foo' }];

/** A server that publishes these schemas. */
function serving(schemas: Record<string, object>): Client {
  const raw = async (_method: string, path: string) =>
    path.startsWith('/openapi') ? { components: { schemas } } : { resources: [{ name: 'foos', kind: 'Foo' }] };
  return { raw } as Partial<Client> as Client;
}

const schemaOf = async (schemas: Record<string, object>) => {
  const [found] = await publishedKinds(serving(schemas), 'example.com/v1', new AbortController().signal);
  return found?.schema;
};

test('references give way to what they refer to; what holds itself ends', async () => {
  const foo = {
    type: 'object',
    'x-kubernetes-group-version-kind': gvk,
    properties: { next: ref('Foo'), other: ref('Bar'), none: ref('Nope') },
  };
  const schema = await schemaOf({ Foo: foo, Bar: { type: 'object', properties: { foo: { allOf: [ref('Foo')], default: {} } } } });
  const inner = { next: { type: 'object' }, other: { type: 'object' }, none: { type: 'object' } };
  expect(schema?.properties).toMatchObject({
    next: { properties: inner },
    other: { properties: { foo: { properties: { next: { type: 'object' } } } } },
    none: { type: 'object' },
  });
});

test('what doubles with each reference does not become as large as it says', async () => {
  const levels = Array.from({ length: 60 }, (_, i) => [
    `L${i}`,
    { type: 'object', properties: { a: ref(`L${i + 1}`), b: ref(`L${i + 1}`) } },
  ]);
  const schemas = Object.fromEntries(levels);
  const schema = await schemaOf({
    ...schemas,
    Foo: { type: 'object', 'x-kubernetes-group-version-kind': gvk, properties: { l: ref('L0') } },
  });
  expect(JSON.stringify(schema).length).toBeLessThan(5_000_000);
});
