import { expect, it } from 'vitest';
import type { ConfigMap, Deployment, HorizontalPodAutoscaler } from '../../../src/api/index.ts';
import { json, jsonpath, k, manifest, tryK, writeFile } from '../walk.ts';

const configMap = (data: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: notes\ndata:\n${data}`;
const dataOf = async (name: string) => (await json<ConfigMap>(`get cm ${name}`)).data;

export function changeSteps(): void {
  it('applies again after a change: sets, keeps what others set, removes what was removed', async () => {
    const file = writeFile('notes.yaml', configMap('  a: "1"\n  b: "2"\n'));
    expect(await k(`apply -f ${file}`)).toBe('configmap/notes created\n');
    expect(await k(`apply -f ${file}`)).toBe('configmap/notes unchanged\n');
    await k('patch cm notes -p', '{"data":{"other":"kept"}}');
    writeFile('notes.yaml', configMap('  a: "3"\n'));
    const diff = await tryK(`diff -f ${file}`);
    expect(diff.code).toBe(1);
    expect(diff.stdout).toMatch(/-\s+a: "1"\n(-\s+b: "2"\n)?\+\s+a: "3"/);
    expect(await dataOf('notes')).toEqual({ a: '1', b: '2', other: 'kept' });
    expect(await k(`apply -f ${file}`)).toBe('configmap/notes configured\n');
    expect(await dataOf('notes')).toEqual({ a: '3', other: 'kept' });
    expect((await tryK(`diff -f ${file}`)).code).toBe(0);
  });

  it('applies on the server, with owners and conflicts', async () => {
    const file = writeFile('ssa.yaml', configMap('  a: "1"\n').replace('notes', 'owned'));
    expect(await k(`apply --server-side -f ${file}`)).toBe('configmap/owned serverside-applied\n');
    await k(
      'apply --server-side --field-manager=other --force-conflicts -f',
      writeFile('ssa2.yaml', configMap('  a: "2"\n').replace('notes', 'owned')),
    );
    const conflict = await tryK(`apply --server-side -f ${file}`);
    expect(conflict.code).toBe(1);
    expect(conflict.stderr).toContain('Apply failed with 1 conflict: conflict with "other": .data.a');
    expect(await dataOf('owned')).toEqual({ a: '2' });
    expect(await k('get cm owned -o yaml --show-managed-fields')).toMatch(/manager: other\n\s+operation: Apply/);
  });

  it('edits with an editor', async () => {
    const editor = writeFile('editor.sh', '#!/bin/sh\nsed -i "s/a: \\"3\\"/a: \\"edited\\"/" "$1"\n');
    const edited = await tryK('edit cm notes', { env: { EDITOR: editor } });
    expect(edited.stdout).toBe('configmap/notes edited\n');
    expect((await dataOf('notes'))?.a).toBe('edited');
    const unchanged = await tryK('edit cm notes', { env: { EDITOR: 'true' } });
    expect(unchanged.stderr).toContain('Edit cancelled, no changes made');
  });

  it('patches in three ways', async () => {
    const container = { name: 'nginx', env: [{ name: 'MODE', value: 'fast' }] };
    await k('patch deploy web -p', JSON.stringify({ spec: { template: { spec: { containers: [container] } } } }));
    await k('patch deploy web --type=merge -p', '{"metadata":{"annotations":{"merged":"yes","gone":null}}}');
    await k(
      'patch deploy web --type=json -p',
      '[{"op":"replace","path":"/spec/replicas","value":2},{"op":"test","path":"/spec/replicas","value":2}]',
    );
    const { metadata, spec } = await json<Deployment>('get deploy web');
    expect(metadata.annotations).toMatchObject({ merged: 'yes' });
    expect(spec.replicas).toBe(2);
    expect(spec.template.spec?.containers).toMatchObject([{ name: 'nginx', image: 'nginx:1.22', env: [{ name: 'MODE', value: 'fast' }] }]);
    const refused = await tryK('patch deploy web --type=json -p', { more: ['[{"op":"test","path":"/spec/replicas","value":9}]'] });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toBe('The request is invalid: the server rejected our request due to an error in our request\n');
    await k('rollout status deploy/web --timeout=60s');
  });

  it('replaces, refusing what is out of date', async () => {
    const text = await k('get cm notes -o yaml');
    const file = writeFile('replaced.yaml', text.replace('edited', 'replaced'));
    expect(await k(`replace -f ${file}`)).toBe('configmap/notes replaced\n');
    const again = await tryK(`replace -f ${file}`);
    expect(again.stderr).toContain('the object has been modified; please apply your changes to the latest version and try again');
    expect((await dataOf('notes'))?.a).toBe('replaced');
  });

  it('labels, annotates, and sets images and environment', async () => {
    expect(await k('label cm notes team=blue')).toBe('configmap/notes labeled\n');
    expect((await tryK('label cm notes team=red')).stderr).toContain("'team' already has a value (blue), and --overwrite is false");
    await k('label cm notes team=red --overwrite');
    expect(await k('get cm -l team=red -o name')).toBe('configmap/notes\n');
    expect(await k('get cm -L team --no-headers -l team')).toMatch(/notes\s+2\s+\d+s\s+red/);
    await k('label cm notes team-');
    expect(await k('get cm -l team -o name')).toBe('');
    expect(await k('annotate cm notes reason=test')).toBe('configmap/notes annotated\n');
    await k('set env deploy/web MODE=slow');
    expect(await jsonpath('get deploy web', '{.spec.template.spec.containers[0].env[0].value}')).toBe('slow');
  });

  it('keeps an autoscaler', async () => {
    expect(await k('autoscale deploy web --min=2 --max=4 --cpu=80%')).toBe('horizontalpodautoscaler.autoscaling/web autoscaled\n');
    const { spec } = await json<HorizontalPodAutoscaler>('get hpa web');
    expect(spec).toMatchObject({ minReplicas: 2, maxReplicas: 4, scaleTargetRef: { kind: 'Deployment', name: 'web' } });
    expect(await k('get hpa --no-headers')).toMatch(/web\s+Deployment\/web\s+cpu: <unknown>\/80%\s+2\s+4/);
    await k('delete hpa web');
  });

  it('applies a kustomization', async () => {
    const told = await k(`apply -k ${manifest('kustomize')}`);
    expect(told).toMatch(/configmap\/dev-generated-[a-z0-9]+ created\nconfigmap\/dev-settings created/);
    await k(`delete -k ${manifest('kustomize')}`);
  });

  it('waits for conditions, values and deletion', async () => {
    expect(await k('wait --for=condition=Available deploy/web --timeout=30s')).toBe('deployment.apps/web condition met\n');
    await k('wait --for=jsonpath={.spec.replicas}=2 deploy/web --timeout=5s');
    const late = await tryK('wait --for=condition=Never pod/redis --timeout=1s');
    expect(late.stderr).toContain('timed out waiting for the condition on pods/redis');
    await k('create cm short --from-literal=a=b');
    const waiting = tryK('wait --for=delete cm/short --timeout=10s');
    await k('delete cm short');
    expect((await waiting).code).toBe(0);
  });

  it('refuses a bad manifest and says all that is wrong', async () => {
    const strict = await tryK(`apply -f ${manifest('bad.yaml')}`);
    expect(strict.code).toBe(1);
    expect(strict.stderr).toContain('strict decoding error: unknown field "spec.template.spec.containers[0].imagee"');
    const lenient = await tryK(`create --validate=ignore -f ${manifest('bad.yaml')}`);
    expect(lenient.stderr).toContain('The Deployment "Bad_Name" is invalid: ');
    for (const problem of [
      'metadata.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain must consist of',
      'spec.replicas: Invalid value: -1: must be greater than or equal to 0',
      'spec.template.metadata.labels: Invalid value: {"app":"other"}: `selector` does not match template `labels`',
      'spec.template.spec.containers[0].image: Required value',
    ])
      expect(lenient.stderr).toContain(problem);
    expect((await tryK('apply -f -', { input: 'kind: Pod\nmetadata: {' })).stderr).toContain('error parsing STDIN');
    expect((await tryK('apply -f -', { input: 'apiVersion: v9\nkind: Thing\nmetadata:\n  name: x\n' })).stderr).toContain(
      'no matches for kind "Thing" in version "v9"',
    );
    expect((await tryK('create cm notes')).stderr).toBe('error: failed to create configmap: configmaps "notes" already exists\n');
  });
}
