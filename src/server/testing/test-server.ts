/** An API server over a store in memory, for tests: everybody in system:masters may do everything, others nothing. */
import { pino } from 'pino';
import { Registry as MetricsRegistry } from 'prom-client';
import { kinds } from '../../api/index.ts';
import { type Client, createClient } from '../../client/index.ts';
import { openMemoryStore } from '../../store/index.ts';
import { seededRandom, systemClock } from '../../time/index.ts';
import { type ApiServer, createApiServer } from '../api-server.ts';
import type { ApiServerOptions } from '../api-server-options.ts';
import type { Authenticator } from '../request.ts';

/** `Bearer admin` is the administrator, `Bearer joe` is joe; certificates say it themselves; `Bearer wrong` is refused. */
const authenticator: Authenticator = {
  async authenticate({ certificate, header }) {
    if (certificate?.problem !== undefined) throw new Error(`x509: ${certificate.problem}`);
    if (certificate !== undefined) return { name: certificate.commonName, groups: certificate.organizations };
    const [, token] = /^Bearer (.+)$/.exec(header('authorization') ?? '') ?? [];
    if (token === 'wrong') throw new Error('invalid bearer token');
    return token === undefined ? undefined : { name: token, groups: token === 'admin' ? ['system:masters'] : [] };
  },
};

export interface TestServer {
  server: ApiServer;
  /** In process, as an administrator. */
  admin: Client;
  close(): Promise<void>;
}

export async function openTestServer(options: Partial<ApiServerOptions> = {}): Promise<TestServer> {
  const store = openMemoryStore();
  const server = await createApiServer({
    store,
    clock: systemClock,
    random: seededRandom(1),
    logger: pino({ level: 'silent' }),
    metrics: new MetricsRegistry(),
    kinds,
    authenticators: [authenticator],
    authorizer: {
      authorize: ({ user }) => ({ decision: user.groups.includes('system:masters') ? 'allow' : 'noOpinion', reason: '' }),
    },
    bindAddress: '127.0.0.1',
    ...options,
  });
  return {
    server,
    admin: createClient(server.localTransport({ name: 'admin', groups: ['system:masters', 'system:authenticated'] }), {
      userAgent: 'test/1',
    }),
    async close() {
      await server.close();
      await store.close();
    },
  };
}
