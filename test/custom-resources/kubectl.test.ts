import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';
import { cronTab, cronTabs } from './definitions.ts';

let api: TestApiServer;
beforeAll(async () => {
  api = await startApiServer({ controllers: true });
}, 60_000);
afterAll(() => api.close());

async function kubectl(args: string, input?: object | string): Promise<string> {
  const text = typeof input === 'object' ? JSON.stringify(input) : input;
  const { code, stdout, stderr } = await api.kubectl(args.split(' '), text);
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

test('kubectl creates a definition, waits for it, and works with its objects', { timeout: 60_000 }, async () => {
  expect(await kubectl('apply -f -', cronTabs)).toBe('customresourcedefinition.apiextensions.k8s.io/crontabs.stable.example.com created\n');
  await kubectl('wait --for=condition=Established crd/crontabs.stable.example.com --timeout=10s');
  expect(await kubectl('get crd')).toMatch(/NAME +CREATED AT\ncrontabs\.stable\.example\.com +\d{4}-/);

  expect(await kubectl('apply -f -', cronTab('a'))).toBe('crontab.stable.example.com/a created\n');
  expect(await kubectl('get ct')).toMatch(/NAME +SPEC +REPLICAS +READY +AGE\na +\* \* \* \* \*\/5 +1 +\d+s\n/);
  expect(await kubectl('get all')).toContain('crontab.stable.example.com/a');
  expect(await kubectl('apply -f -', cronTab('a', { cronSpec: '0 * * * *' }))).toBe('crontab.stable.example.com/a configured\n');
  expect(await kubectl('patch ct a --type=merge -p {"spec":{"replicas":2}}')).toContain('patched');
  expect(await kubectl('scale ct a --replicas=4')).toContain('scaled');
  expect(await kubectl('get ct a -o jsonpath={.spec.replicas}/{.spec.cronSpec}')).toBe('4/0 * * * *');
  expect(await kubectl('annotate ct a note=1')).toContain('annotated');
  expect(await kubectl('describe ct a')).toContain('Cron Spec:  0 * * * *');
  await expect(kubectl('apply -f -', cronTab('bad', { cronSpec: 'x' }))).rejects.toThrow(
    'The CronTab "bad" is invalid: spec.cronSpec: Invalid value: "x": spec.cronSpec in body should match \'^(\\S+ ){4}\\S+$\'',
  );
  await expect(kubectl('apply -f -', cronTab('bad', { cronSpec: '* * * * *', bogus: 1 }))).rejects.toThrow(
    'strict decoding error: unknown field "spec.bogus"',
  );
  expect(await kubectl('apply --server-side -f -', cronTab('ssa'))).toBe('crontab.stable.example.com/ssa serverside-applied\n');
});

test('kubectl explain knows the fields', { timeout: 60_000 }, async () => {
  const text = await kubectl('explain ct.spec');
  expect(text).toMatch(/KIND: +CronTab/);
  expect(text).toMatch(/cronSpec\t<string> -required-\n +When to run\./);
  expect(await kubectl('explain ct')).toContain('CronTab runs things.');
  expect(await kubectl('explain ct.metadata.labels')).toContain('Map of string keys and values');
});

test('kubectl api-resources lists it', { timeout: 60_000 }, async () => {
  expect(await kubectl('api-resources --api-group=stable.example.com -o wide')).toMatch(
    /crontabs +ct +stable\.example\.com\/v1 +true +CronTab +delete,deletecollection,get,list,patch,create,update,watch/,
  );
});

test('dependents are collected, and a deleted namespace takes its objects along', { timeout: 60_000 }, async () => {
  await kubectl('create namespace work');
  await kubectl('apply -n work -f -', cronTab('in-work'));
  const uid = await kubectl('get ct a -o jsonpath={.metadata.uid}');
  const owner = { apiVersion: 'stable.example.com/v1', kind: 'CronTab', name: 'a', uid };
  await kubectl('apply -f -', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'child', ownerReferences: [owner] } });
  await kubectl('delete ct a');
  await kubectl('wait --for=delete cm/child --timeout=20s');
  await kubectl('delete namespace work --timeout=20s');
});

test('kubectl deletes the definition with its objects', { timeout: 60_000 }, async () => {
  await kubectl('delete crd crontabs.stable.example.com --timeout=20s');
  await expect(kubectl('get ct')).rejects.toThrow('the server could not find the requested resource');
});
