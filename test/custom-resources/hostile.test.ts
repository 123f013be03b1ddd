import { afterAll, beforeAll, expect, test } from 'vitest';
import { CustomResourceDefinition, deepCopy, type JSONSchemaProps } from '../../src/api/index.ts';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';
import { CronTab, cronTab, cronTabs } from './definitions.ts';

let api: TestApiServer;
beforeAll(async () => {
  api = await startApiServer();
});
afterAll(() => api.close());

const namespace = 'default';

function withSpec(spec: JSONSchemaProps) {
  const definition = deepCopy(cronTabs);
  const [version] = definition.spec.versions;
  if (version) {
    version.schema = { openAPIV3Schema: { type: 'object', properties: { spec } } };
    delete version.selectableFields;
    delete version.subresources;
  }
  return definition;
}

function nested(depth: number): JSONSchemaProps {
  let schema: JSONSchemaProps = { type: 'string' };
  for (let i = 0; i < depth; i++) schema = { type: 'object', properties: { a: schema } };
  return schema;
}

test.each<[string, JSONSchemaProps]>([
  ['a schema of hundreds of levels', nested(300)],
  ['a field named __proto__', JSON.parse('{"type":"object","properties":{"__proto__":{"type":"string"},"constructor":{"type":"string"}}}')],
  ['a pattern that backtracks', { type: 'string', pattern: '^(([a-z])+.)+[A-Z]([a-z])+$' }],
  [
    'a rule that loops',
    {
      type: 'object',
      properties: { l: { type: 'array', items: { type: 'string' } } },
      'x-kubernetes-validations': [{ rule: 'self.l.all(a, self.l.all(b, self.l.all(c, self.l.all(d, a + b + c + d != "x"))))' }],
    },
  ],
])('%s is refused or taken, and costs its request', async (_, spec) => {
  const start = performance.now();
  const taken = await api.admin.create(CustomResourceDefinition, withSpec(spec)).catch((error: { code: number }) => error.code);
  if (typeof taken === 'number') expect([400, 422]).toContain(taken);
  else {
    const value = spec.type === 'string' ? 'a'.repeat(20_000) : { l: Array.from({ length: 500 }, (__, i) => String(i)) };
    await expect
      .poll(() =>
        api.admin
          .create(CronTab, { ...cronTab('x'), spec: value } as never, { namespace, dryRun: true })
          .catch((e: { code: number }) => e.code),
      )
      .not.toBe(404);
    await api.admin.delete(CustomResourceDefinition, 'crontabs.stable.example.com');
    await expect
      .poll(() => api.admin.get(CustomResourceDefinition, 'crontabs.stable.example.com').catch((e: { code: number }) => e.code))
      .toBe(404);
  }
  expect(performance.now() - start).toBeLessThan(5000);
  expect(({} as Record<string, unknown>).type).toBeUndefined();
});
