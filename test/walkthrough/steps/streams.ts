import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { kubectlBinary, run } from '../../support/cluster.ts';
import { eventually } from '../../support/wait.ts';
import { follow, followKubectl, k, tryK, walk, writeFile } from '../walk.ts';

const talker = `
apiVersion: v1
kind: Pod
metadata: { name: talker }
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: talker
    image: busybox
    imagePullPolicy: IfNotPresent
    stdin: true
    command: [sh, -c, 'echo begin; while read line; do [ "$line" = crash ] && exit 7; echo "heard $line"; done']
`;

export function streamSteps(): void {
  it('shows logs: the tail, with times, since, and of several pods', async () => {
    expect(await k('logs redis --tail=1')).toMatch(/Ready to accept connections/);
    expect(await k('logs redis --timestamps --tail=1')).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z /);
    expect(await k('logs redis --since=1h')).toContain('Ready to accept connections');
    expect(await k('logs redis --since-time=2100-01-01T00:00:00Z')).toBe('');
    expect(await k('logs redis --limit-bytes=10')).toHaveLength(10);
    expect((await k('logs -l app=web --prefix --tail=2')).match(/\[pod\/web-[^\]]+\/nginx\]/g)?.length).toBeGreaterThan(1);
    expect((await tryK('logs redis -c nothing')).stderr).toContain('container nothing is not valid for pod redis');
  });

  it('attaches to a container, and follows its log over a restart', async () => {
    expect((await tryK('apply -f -', { input: talker })).stderr).toBe('');
    await k('wait --for=condition=Ready pod/talker --timeout=30s');
    const logs = followKubectl('logs -f talker');
    const attached = followKubectl('attach -i talker');
    attached.child.stdin?.write('hello\n');
    await attached.saw(/heard hello/);
    await logs.saw(/begin\nheard hello/);
    attached.child.stdin?.write('crash\n');
    await eventually('the container ran again', async () => /talker\s+1\/1\s+Running\s+1/.test(await k('get pod talker --no-headers')));
    await eventually('the log ended with its container', () => logs.child.exitCode === 0);
    await attached.stop();
    expect(await k('logs talker --previous')).toBe('begin\nheard hello\n');
    expect(await k('get pod talker -o jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}')).toBe('7');
  });

  it('runs commands: output, errors, exit code, input', async () => {
    expect(await k('exec client -- echo hello')).toBe('hello\n');
    const failed = await tryK('exec client -- sh -c', { more: ['echo out; echo err >&2; exit 42'] });
    expect(failed).toMatchObject({ code: 42, stdout: 'out\n' });
    expect(failed.stderr).toBe('err\ncommand terminated with exit code 42\n');
    const input = 'x'.repeat(300_000);
    expect((await tryK('exec -i client -- wc -c', { input })).stdout.trim()).toBe('300000');
    expect((await tryK('exec -i client -- cat', { input })).stdout).toBe(input);
    expect((await tryK('exec client -- no-such-program')).stderr).toMatch(/executable file.*not found/);
    expect(await k('exec deploy/web -- hostname')).toMatch(/^web-/);
  });

  it('gives a terminal that follows its window', async () => {
    const terminal = follow('script', ['-qec', `${kubectlBinary} exec -it client -- sh`, '/dev/null'], { ...walk.env, TERM: 'xterm' });
    const type = (line: string) => terminal.child.stdin?.write(`${line}\n`);
    await terminal.saw(/# /);
    type('tty');
    await terminal.saw(/\/dev\/pts\/\d+/);
    const [client = ''] = (await run('pgrep', ['-P', String(terminal.child.pid), '-f', 'exec -it client'])).stdout.split('\n');
    const resized = await run('sh', ['-c', `stty -F $(readlink /proc/${client}/fd/0) rows 47 cols 133`]);
    expect(resized.stderr).toBe('');
    await eventually('the container sees the new size', () => {
      type('echo width $(stty size)');
      return terminal.output.includes('width 47 133');
    });
    type('exit 5');
    await eventually('the terminal ends', () => terminal.child.exitCode !== null);
    expect(terminal.child.exitCode).toBe(5);
  });

  it('copies files both ways', async () => {
    const from = join(walk.dir, 'folder');
    mkdirSync(join(from, 'inner'), { recursive: true });
    const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * 7919) % 256));
    writeFileSync(join(from, 'inner/data.bin'), bytes);
    await k(`cp ${from} default/client:/tmp/folder`);
    await k(`cp client:/tmp/folder/inner/data.bin ${join(walk.dir, 'back.bin')}`);
    expect(readFileSync(join(walk.dir, 'back.bin')).equals(bytes)).toBe(true);
    const one = writeFile('one.txt', 'one file\n');
    await k(`cp ${one} client:/tmp/one.txt`);
    expect(await k('exec client -- cat /tmp/one.txt')).toBe('one file\n');
  });

  it('forwards ports to a service and to a pod', async () => {
    for (const target of ['svc/redis-server :6379', 'pod/redis :6379']) {
      const forward = followKubectl(`port-forward ${target}`);
      const [, port = ''] = await forward.saw(/Forwarding from 127\.0\.0\.1:(\d+) -> 6379/);
      for (let i = 0; i < 3; i++) expect((await run('redis-cli', ['-p', port, 'ping'])).stdout).toBe('PONG\n');
      await forward.stop();
    }
  });

  it('debugs a pod with an ephemeral container', async () => {
    const image = '--image=busybox --image-pull-policy=IfNotPresent';
    await k(
      `debug redis ${image} --container=looking --target=redis --profile=general -- sh -c`,
      'echo seen $(printf "PING\\r\\n" | nc -w 1 127.0.0.1 6379)',
    );
    await eventually('it has looked', async () => (await tryK('logs redis -c looking')).stdout.startsWith('seen +PONG'));
    expect(await k('describe pod redis')).toMatch(/Ephemeral Containers:\n\s+looking:/);
    expect(await k('get pod redis --no-headers')).toMatch(/redis\s+1\/1\s+Running\s+0/);
  });

  it('proxies the API, services and pods', async () => {
    const proxy = followKubectl('proxy --port=0');
    const [, port = ''] = await proxy.saw(/Starting to serve on 127\.0\.0\.1:(\d+)/);
    const get = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text();
    expect(await get('/version')).toContain('"gitVersion": "v1.36');
    expect(await get('/api/v1/namespaces/default/services/web:80/proxy/')).toMatch(/^web-/);
    const pod = await k('get pods -l app=web -o jsonpath={.items[0].metadata.name}');
    expect(await get(`/api/v1/namespaces/default/pods/${pod}:80/proxy/`)).toBe(`${pod}\n`);
    await proxy.stop();
  });
}
