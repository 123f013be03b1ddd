/** Much YAML takes its time, but nobody else's: others are answered while it is converted, and what is wrong with it is told. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';

let server: TestApiServer;
beforeAll(async () => {
  server = await startApiServer();
});
afterAll(() => server.close());

const configMaps = '/api/v1/namespaces/default/configmaps';
const yaml = { 'content-type': 'application/yaml' };
const head = (name: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\n  generation: 9007199254740993\n`;
const lines = (bytes: number, line: (i: number) => string) => {
  let text = '';
  for (let i = 0; text.length < bytes; i++) text += line(i);
  return text;
};
const data = (bytes: number) => `data:\n${lines(bytes, (i) => `  key${i}: "${i}"\n`)}`;

test('others are answered while it is converted', { timeout: 60_000 }, async () => {
  const answered: string[] = [];
  const noting = async (what: string, reply: Promise<{ status: number; body: string }>) => {
    const { status, body } = await reply;
    answered.push(what);
    return { status, body };
  };
  const long = noting('long', server.http('POST', configMaps, head('long') + data(700_000), yaml));
  for (let i = 0; i < 5; i++) expect(await noting('short', server.http('GET', configMaps))).toMatchObject({ status: 200 });
  expect((await long).status).toBe(201);
  expect(answered).toEqual(['short', 'short', 'short', 'short', 'short', 'long']);
  const { body } = await server.http('GET', `${configMaps}/long`);
  const stored = JSON.parse(body);
  expect(Object.keys(stored.data)).toHaveLength(data(700_000).split('\n').length - 2);
  expect(stored.data.key77).toBe('77');
});

test('it is applied, and what it repeats is told', { timeout: 60_000 }, async () => {
  const apply = (text: string) =>
    server.http('PATCH', `${configMaps}/applied?fieldManager=me&fieldValidation=Strict`, text, {
      'content-type': 'application/apply-patch+yaml',
    });
  expect((await apply(head('applied').replace(/ {2}generation.*\n/, '') + data(200_000))).status).toBe(201);
  const repeated = await apply(`${head('applied')}${data(200_000)}data: {}\n`);
  expect(repeated.status).toBe(400);
  expect(JSON.parse(repeated.body).message).toMatch(/yaml: unmarshal errors:\n {2}line \d+: key "data" already set in map$/);
});

test.each([
  ['no YAML', `${head('x')}${data(200_000)}  [: }\n`, /^the object provided is unrecognized \(must be of type ConfigMap\): yaml: /],
  ['more than memory holds', `${head('x')}data: [${'a,'.repeat(1_500_000)}]`, /yaml: document contains too many values/],
])('of %s it says so', { timeout: 120_000 }, async (_, text, message) => {
  const { status, body } = await server.http('POST', configMaps, text, yaml);
  expect(status).toBe(400);
  expect(JSON.parse(body).message).toMatch(message);
});
