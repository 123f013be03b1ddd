/** Logs, commands, ports and proxies from upstream's kubectl to containers on containerd. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { get as getSecure } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type Draft, EndpointSlice, Pod, Service } from '../../src/api/index.ts';
import { missingForContainerd } from '../../src/runtime/index.ts';
import { kubectlBinary, run } from '../support/cluster.ts';
import { eventually } from '../support/wait.ts';
import { startStreamingCluster } from './streaming-cluster.ts';

const oldKubectl = join(kubectlBinary, '../kubectl-1.20');
const able = process.getuid?.() === 0 && existsSync(kubectlBinary) && missingForContainerd('/usr/lib/cni').length === 0;

function body(url: string, options: object = {}): Promise<{ status: number; text: string; headers: Record<string, unknown> }> {
  return new Promise((resolve, reject) => {
    (url.startsWith('https') ? getSecure : get)(url, { agent: false, ...options }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk);
      resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8'), headers: response.headers });
    }).on('error', reject);
  });
}

/** Uses the port that a kubectl forwards, and ends it. */
async function forwarded(child: ChildProcessByStdio<Writable, Readable, Readable>, use: (url: string) => Promise<void>): Promise<void> {
  try {
    let out = '';
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    const port = await eventually('the forwarded port', () => /127\.0\.0\.1:(\d+) ->/.exec(out)?.[1]);
    await use(`http://127.0.0.1:${port}/`);
  } finally {
    child.kill();
    await once(child, 'exit');
  }
}

describe.runIf(able)('streaming', { timeout: 60_000 }, () => {
  let cluster: Awaited<ReturnType<typeof startStreamingCluster>>;
  const kubectl = (args: readonly string[], input?: string) =>
    run(kubectlBinary, args, { env: cluster.env, timeoutMs: 30_000, ...(input === undefined ? {} : { input }) });

  beforeAll(async () => {
    cluster = await startStreamingCluster();
    await cluster.pod('shell', 'echo ready; while true; do sleep 1; done');
    await cluster.pod('web', 'mkdir /www; echo hello from web >/www/index.html; exec httpd -f -p 8080 -h /www', 'Running', {
      ports: [{ containerPort: 8080 }],
    });
  }, 60_000);
  afterAll(() => cluster?.stop(), 60_000);

  test('exec tells output and errors apart, and ends with the exit code of the command', async () => {
    expect(await kubectl(['exec', 'shell', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7'])).toEqual({
      stdout: 'out\n',
      stderr: expect.stringContaining('err\n'),
      code: 7,
    });
  });

  test("exec's input ends where the pipe ends", async () => {
    expect(await kubectl(['exec', '-i', 'shell', '--', 'cat'], 'hi\n')).toMatchObject({ stdout: 'hi\n', code: 0 });
  });

  test('megabytes pass through exec unharmed, either way', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'k8ts-cp-'));
    const [there, back] = [join(dir, 'there'), join(dir, 'back')];
    const bytes = randomBytes(8 * 1024 * 1024);
    writeFileSync(there, bytes);
    expect(await kubectl(['cp', there, 'shell:/tmp/blob'])).toMatchObject({ code: 0 });
    const sum = await kubectl(['exec', 'shell', '--', 'sha256sum', '/tmp/blob']);
    expect(sum.stdout.split(' ')[0]).toBe(createHash('sha256').update(bytes).digest('hex'));
    expect(await kubectl(['cp', 'shell:/tmp/blob', back])).toMatchObject({ code: 0 });
    expect(readFileSync(back).equals(bytes)).toBe(true);
    rmSync(dir, { recursive: true });
  });

  test.each([
    ['1.20', oldKubectl, {}],
    ['1.35, told so', kubectlBinary, { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false', KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false' }],
  ])('kubectl %s speaks SPDY, and is served as well', async (_, binary, more) => {
    const env = { ...cluster.env, ...more };
    const spdy = (args: string[], input?: string) =>
      run(binary, args, { env, timeoutMs: 30_000, ...(input === undefined ? {} : { input }) });
    expect(await spdy(['exec', '-i', 'shell', '--', 'cat'], 'over spdy')).toMatchObject({ stdout: 'over spdy', code: 0 });
    expect(await spdy(['exec', 'shell', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7'])).toMatchObject({ stdout: 'out\n', code: 7 });
    const dir = mkdtempSync(join(tmpdir(), 'k8ts-spdy-'));
    const [there, back] = [join(dir, 'there'), join(dir, 'back')];
    const bytes = randomBytes(3 * 1024 * 1024);
    writeFileSync(there, bytes);
    expect(await spdy(['cp', there, 'shell:/tmp/spdy'])).toMatchObject({ code: 0 });
    expect(await spdy(['cp', 'shell:/tmp/spdy', back])).toMatchObject({ code: 0 });
    expect(readFileSync(back).equals(bytes)).toBe(true);
    rmSync(dir, { recursive: true });
    await forwarded(spawn(binary, ['port-forward', 'web', ':8080'], { env }), async (url) => {
      const answers = await Promise.all(Array.from({ length: 5 }, () => body(url)));
      expect(answers.map((a) => a.text)).toEqual(Array(5).fill('hello from web\n'));
    });
  });

  test('a terminal has its size, and learns of a new one', async () => {
    // script(1) gives kubectl a terminal; when the first size has come through, the terminal gets another.
    const dir = mkdtempSync(join(tmpdir(), 'k8ts-tty-'));
    const until = (size: string) => `until stty size 2>/dev/null | grep -q '${size}'; do sleep 0.05; done; echo saw ${size}`;
    const inner = `stty rows 31 cols 97; T=$(tty); ${kubectlBinary} exec -it shell -- sh -c "${until('31 97')}; ${until('40 120')}" <$T & until [ -f ${dir}/go ]; do sleep 0.05; done; stty rows 40 cols 120 <$T; wait`;
    const child = spawn('script', ['-qec', inner, '/dev/null'], { env: cluster.env, stdio: ['pipe', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.on('data', (chunk) => {
      out += chunk;
      if (String(out).includes('saw 31 97')) writeFileSync(join(dir, 'go'), '');
    });
    await once(child, 'exit');
    expect(out.replaceAll('\r', '')).toBe('saw 31 97\nsaw 40 120\n');
    rmSync(dir, { recursive: true });
  });

  test('exec in what is not there fails in upstream words', async () => {
    expect((await kubectl(['exec', 'nobody', '--', 'true'])).stderr).toContain('pods "nobody" not found');
    expect((await kubectl(['exec', 'shell', '-c', 'other', '--', 'true'])).stderr).toContain('container other is not valid for pod shell');
    expect((await kubectl(['exec', 'shell', '--', '/no/such'])).stderr).toContain('error executing command in container');
  });

  test('logs: all, the tail, with times, and as they are written until the container ends', async () => {
    await cluster.pod('talker', 'for i in 1 2 3; do echo line $i; done; while [ ! -f /tmp/go ]; do sleep 0.1; done; echo last; exit 0');
    expect((await kubectl(['logs', 'talker'])).stdout).toBe('line 1\nline 2\nline 3\n');
    expect((await kubectl(['logs', 'talker', '--tail=1'])).stdout).toBe('line 3\n');
    expect((await kubectl(['logs', 'talker', '--tail=1', '--timestamps'])).stdout).toMatch(
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}\S+ line 3\n$/,
    );
    const following = kubectl(['logs', '-f', 'talker']);
    await kubectl(['exec', 'talker', '--', 'touch', '/tmp/go']);
    expect(await following).toMatchObject({ stdout: 'line 1\nline 2\nline 3\nlast\n', code: 0 });
    expect((await kubectl(['logs', 'talker', '-p'])).stderr).toBe(
      'Error from server (BadRequest): previous terminated container "main" in pod "talker" not found\n',
    );
    expect((await kubectl(['get', '--raw', '/api/v1/namespaces/default/pods/talker/log?tailLines=-1'])).stderr).toContain(
      'PodLogOptions "talker" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0',
    );
  });

  test('logs over a WebSocket, as browsers ask for them', async () => {
    await cluster.pod('teller', 'echo one; echo two', 'Succeeded');
    const path = '/api/v1/namespaces/default/pods/teller/log';
    const read = async (protocols: string[]): Promise<string> => {
      const socket = new WebSocket(`${cluster.apiUrl.replace('https', 'wss')}${path}`, protocols, cluster.tls);
      const messages: Buffer[] = [];
      socket.on('message', (message: Buffer) => messages.push(message));
      await once(socket, 'close');
      expect(messages[0]).toHaveLength(0);
      return Buffer.concat(messages).toString();
    };
    expect(await read(['binary.k8s.io'])).toBe('one\ntwo\n');
    expect(await read([])).toBe('one\ntwo\n');
    expect(Buffer.from(await read(['base64.binary.k8s.io']), 'base64').toString()).toBe('one\ntwo\n');
  });

  test('port-forward carries many connections', async () => {
    await forwarded(spawn(kubectlBinary, ['port-forward', 'web', ':8080'], { env: cluster.env }), async (url) => {
      const answers = await Promise.all(Array.from({ length: 5 }, () => body(url)));
      expect(answers.map((a) => a.text)).toEqual(Array(5).fill('hello from web\n'));
    });
  });

  test('proxies to pods and nodes', async () => {
    expect((await kubectl(['get', '--raw', '/api/v1/namespaces/default/pods/web:8080/proxy/index.html'])).stdout).toBe('hello from web\n');
    expect((await kubectl(['get', '--raw', '/api/v1/nodes/node-1/proxy/healthz'])).stdout).toBe('ok');
    const stats = JSON.parse((await kubectl(['get', '--raw', '/api/v1/nodes/node-1/proxy/stats/summary'])).stdout);
    expect(stats.node.nodeName).toBe('node-1');
    const cadvisor = (await kubectl(['get', '--raw', '/api/v1/nodes/node-1/proxy/metrics/cadvisor'])).stdout;
    expect(cadvisor).toMatch(
      /^container_memory_working_set_bytes\{container="main",id="\/kubepods\/[^"]*",image="[^"]*",name="[0-9a-f]{64}",namespace="default",pod="web"\} \d+/m,
    );
    expect((await kubectl(['get', '--raw', '/api/v1/nodes/node-1/proxy/metrics/resource'])).stdout).toContain(
      'container_cpu_usage_seconds_total{container="main"',
    );
    expect((await kubectl(['get', '--raw', '/api/v1/namespaces/default/pods/web:9/proxy/'])).stderr).toContain(
      'error trying to reach service: dial tcp',
    );
  });

  test('the kubelet knows who asks, and lets in whom the API server lets', async () => {
    const { kubeletUrl, ca, tls } = cluster;
    expect(await body(`${kubeletUrl}/pods`, { ca })).toMatchObject({ status: 401, text: 'Unauthorized' });
    const pods = await body(`${kubeletUrl}/pods`, tls);
    expect(JSON.parse(pods.text).items.map((p: { metadata: { name: string } }) => p.metadata.name)).toContain('web');
    const token = (await kubectl(['create', 'token', 'default'])).stdout.trim();
    expect(await body(`${kubeletUrl}/stats/summary`, { ca, headers: { authorization: `Bearer ${token}` } })).toMatchObject({
      status: 403,
      text: 'Forbidden (user=system:serviceaccount:default:default, verb=get, resource=nodes, subresource(s)=[stats])\n',
    });
  });

  test('services are proxied to one of their endpoints, by the name or number of a port', async () => {
    const { admin } = cluster;
    const namespace = { namespace: 'default' };
    const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' }, spec: { ports: [{ name: 'http', port: 80 }] } };
    await admin.create(Service, service as Draft<Service>, namespace);
    const raw = async (id: string) => kubectl(['get', '--raw', `/api/v1/namespaces/default/services/${id}/proxy/`]);
    expect((await raw('web:http')).stderr).toContain('no endpoints available for service "web:http"');
    const podIP = (await admin.get(Pod, 'web', namespace)).status?.podIP ?? '';
    await admin.create(
      EndpointSlice,
      {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: { name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } },
        addressType: 'IPv4',
        endpoints: [{ addresses: [podIP] }],
        ports: [{ name: 'http', port: 8080 }],
      },
      namespace,
    );
    // An address that is no pod's is nobody's business.
    expect((await raw('web:http')).stderr).toContain('no endpoints available for service "web:http"');
    const targetRef = { kind: 'Pod', namespace: 'default', name: 'web' };
    await admin.patch(EndpointSlice, 'web-1', 'merge', { endpoints: [{ addresses: [podIP], targetRef }] }, namespace);
    for (const id of ['web:http', 'web:80', 'http:web:http']) expect((await raw(id)).stdout).toBe('hello from web\n');
    expect((await raw('web:81')).stderr).toContain('no service port 81 found for service "web"');
  });

  test('a client that vanishes takes its connection to the container with it', async () => {
    const child = spawn(kubectlBinary, ['exec', '-i', 'shell', '--', 'sh', '-c', 'echo $$; cat; echo gone >/tmp/gone'], {
      env: cluster.env,
    });
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await eventually(
      'the command sees the end of its input',
      async () => (await kubectl(['exec', 'shell', '--', 'cat', '/tmp/gone'])).stdout === 'gone\n',
    );
  });

  test('a kubelet that is not there is told in the words of upstream', async () => {
    await cluster.kubeletServer.close();
    const host = cluster.kubeletUrl.slice('https://'.length);
    expect((await kubectl(['logs', 'shell'])).stderr).toBe(
      `Error from server: Get "https://${host}/containerLogs/default/shell/main": dial tcp ${host}: connect: connection refused\n`,
    );
    expect((await kubectl(['exec', 'shell', '--', 'true'])).stderr).toContain(`dial tcp ${host}: connect: connection refused`);
    const env = { ...cluster.env, KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false' };
    expect((await run(kubectlBinary, ['exec', 'shell', '--', 'true'], { env })).stderr).toBe(
      `Error from server: error dialing backend: dial tcp ${host}: connect: connection refused\n`,
    );
  });
});
