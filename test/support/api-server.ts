/** An API server of this process on loopback, with HTTPS and client certificates, for clients that are other programs. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Logger, pino } from 'pino';
import { Registry } from 'prom-client';
import { kinds } from '../../src/api/index.ts';
import { type Client, createClient } from '../../src/client/index.ts';
import { runControllerManager } from '../../src/controllers/index.ts';
import { ensurePki, type Pki } from '../../src/pki/index.ts';
import {
  type ClusterApiServer,
  type ClusterApiServerOptions,
  createClusterApiServer,
  parseIpRange,
  parsePortRange,
} from '../../src/server/index.ts';
import { openMemoryStore, type Store } from '../../src/store/index.ts';
import { systemClock as clock, systemRandom as random } from '../../src/time/index.ts';
import { kubectlBinary, type Output, run } from './cluster.ts';

export interface Reply {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

export interface TestApiServer {
  server: ClusterApiServer;
  store: Store;
  pki: Pki;
  port: number;
  url: string;
  /** A folder of the test's own, removed with the server. */
  dir: string;
  kubeconfig: string;
  env: NodeJS.ProcessEnv;
  admin: Client;
  /** TLS options of the administrator. */
  tls: { ca: string; cert: string; key: string };
  /** One HTTP/1.1 request as the administrator. */
  http(method: string, path: string, body?: string | Buffer, headers?: Record<string, string>, options?: RequestOptions): Promise<Reply>;
  /** Runs kubectl with input, whatever comes of it. */
  kubectl(args: readonly string[], input?: string, binary?: string): Promise<Output>;
  close(): Promise<void>;
}

export interface TestApiServerOptions {
  /** Runs the controllers beside it. */
  controllers?: boolean;
  server?: Partial<
    Pick<
      ClusterApiServerOptions,
      | 'auditor'
      | 'cbor'
      | 'encryption'
      | 'serves'
      | 'http'
      | 'sharedStore'
      | 'storageMediaType'
      | 'storagePrefix'
      | 'requestTimeoutSeconds'
      | 'kubelets'
      | 'tracer'
      | 'aggregatorRouting'
      | 'admissionPlugins'
      | 'authorization'
    >
  >;
  /** Names that its certificate has beside those that every API server's has. */
  dnsNames?: readonly string[];
  /** Whose word it takes for who a user is, PEM; default: that of its own front-proxy authority. */
  requestHeaderCa?: string;
  store?: Store;
  logger?: Logger;
  /** Further options of authentication: what the server's flags say. */
  authentication?: Partial<ClusterApiServerOptions['authentication']>;
}

export async function startApiServer(options: TestApiServerOptions = {}): Promise<TestApiServer> {
  const dir = mkdtempSync(join(tmpdir(), 'k8ts-api-'));
  const logger = options.logger ?? pino({ level: process.env.LOG_LEVEL ?? 'silent' });
  const pki = await ensurePki(join(dir, 'pki'), { now: clock.now(), ...(options.dnsNames ? { dnsNames: options.dnsNames } : {}) });
  const requestHeaderCa = options.requestHeaderCa ?? pki.frontProxyCa.certificate;
  const store = options.store ?? openMemoryStore();
  const server = await createClusterApiServer({
    store,
    clock,
    random,
    logger,
    metrics: new Registry(),
    kinds,
    tls: {
      cert: pki.apiserver.certificate,
      key: pki.apiserver.key,
      clientCa: [pki.ca.certificate, requestHeaderCa],
    },
    bindAddress: '127.0.0.1',
    port: 0,
    proxyClient: { cert: pki.frontProxyClient.certificate, key: pki.frontProxyClient.key },
    ...options.server,
    authentication: {
      issuers: ['https://kubernetes.default.svc.cluster.local'],
      signingKey: pki.serviceAccount.privateKey,
      publicKey: pki.serviceAccount.publicKey,
      clientCa: pki.ca.certificate,
      requestHeader: { clientCa: requestHeaderCa, allowedNames: ['front-proxy-client'] },
      ...options.authentication,
    },
    services: { ranges: [parseIpRange('10.96.0.0/16')], ports: parsePortRange('30000-32767') },
    advertise: { address: '192.168.0.1', port: 6443 },
  });
  const { port } = await server.listen();
  await server.bootstrap();
  const as = (name: string, ...groups: string[]) =>
    createClient(server.localTransport({ name, groups: [...groups, 'system:authenticated'] }), { userAgent: name });
  const stop = new AbortController();
  const manager = options.controllers
    ? runControllerManager(
        {
          client: as('system:kube-controller-manager'),
          clientFor: (_, account) =>
            as(`system:serviceaccount:kube-system:${account}`, 'system:serviceaccounts', 'system:serviceaccounts:kube-system'),
          clock,
          random,
          logger,
          config: { clusterSigning: pki.ca, rootCa: pki.ca.certificate, serviceAccountKey: pki.serviceAccount.privateKey },
        },
        stop.signal,
      )
    : Promise.resolve();

  const { certificate: cert, key } = pki.clients.admin ?? { certificate: '', key: '' };
  const tls = { ca: pki.ca.certificate, cert, key };
  const url = `https://127.0.0.1:${port}`;
  const kubeconfig = join(dir, 'kubeconfig');
  writeFileSync(kubeconfig, kubeconfigText(url, tls));
  const env = { ...process.env, KUBECONFIG: kubeconfig, HOME: dir };
  return {
    server,
    store,
    pki,
    port,
    url,
    dir,
    kubeconfig,
    env,
    tls,
    admin: as('admin', 'system:masters'),
    http: (method, path, body, headers = {}, extra = {}) =>
      new Promise((resolve, reject) => {
        const sent = httpsRequest(
          {
            host: '127.0.0.1',
            port,
            method,
            path,
            ...tls,
            agent: false,
            headers: {
              // Node says no length for a DELETE's body by itself.
              ...(body === undefined ? {} : { 'content-type': 'application/json', ...lengthOf(body, headers) }),
              ...headers,
            },
            ...extra,
          },
          (response) => {
            const chunks: Buffer[] = [];
            response.on('data', (chunk: Buffer) => chunks.push(chunk));
            response.on('error', reject);
            response.on('end', () =>
              resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString('utf8') }),
            );
          },
        );
        sent.on('error', reject);
        sent.end(body);
      }),
    kubectl: (args, input, binary = kubectlBinary) => run(binary, args, { env, ...(input === undefined ? {} : { input }) }),
    async close() {
      stop.abort(new Error('the test is over'));
      await manager;
      await server.close();
      await store.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

const lengthOf = (body: string | Buffer, headers: Record<string, string>) =>
  'transfer-encoding' in headers ? {} : { 'content-length': String(Buffer.byteLength(body)) };

function kubeconfigText(server: string, tls: TestApiServer['tls']): string {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    clusters: [{ name: 'test', cluster: { server, 'certificate-authority-data': base64(tls.ca) } }],
    users: [{ name: 'admin', user: { 'client-certificate-data': base64(tls.cert), 'client-key-data': base64(tls.key) } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
  });
}
