/** A KMS v2 plugin for tests: a real gRPC server on a unix socket, which can be told to hang, lie and fail. */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, ServerCredentials, type ServiceError, type sendUnaryData, status } from '@grpc/grpc-js';
import { type KmsCiphertext, type KmsStatus, keyManagementService } from '../kms/key-service.ts';

export interface KmsPlugin {
  /** `unix:///...`. */
  endpoint: string;
  /** What it answers; keys are made from their ids. */
  status: KmsStatus;
  /** What Encrypt adds to, or changes in, its answers. */
  forged: Partial<KmsCiphertext>;
  /** What Decrypt answers instead. */
  plaintext: Buffer | undefined;
  /** Calls of these methods are never answered. */
  hangs: Set<string>;
  /** How often each method was called. */
  calls: Record<'Status' | 'Encrypt' | 'Decrypt', number>;
  /** Ends it, socket and all; `start` brings it back. */
  stop(): void;
  start(): Promise<void>;
  remove(): void;
}

const keyOf = (id: string) => createHash('sha256').update(id).digest();

function encrypt(id: string, plaintext: Buffer): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', keyOf(id), nonce);
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(id: string, ciphertext: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', keyOf(id), ciphertext.subarray(0, 12), { authTagLength: 16 });
  decipher.setAuthTag(ciphertext.subarray(-16));
  return Buffer.concat([decipher.update(ciphertext.subarray(12, -16)), decipher.final()]);
}

/** Its socket is a file, or only a name (Linux' abstract sockets). */
export async function startKmsPlugin({ isAbstract = false } = {}): Promise<KmsPlugin> {
  const dir = mkdtempSync(join(tmpdir(), 'k8ts-kms-'));
  const socket = join(dir, 'kms.sock');
  let server: Server | undefined;
  const plugin: KmsPlugin = {
    endpoint: isAbstract ? `unix:///@${socket}` : `unix://${socket}`,
    status: { version: 'v2', healthz: 'ok', keyId: 'key-1' },
    forged: {},
    plaintext: undefined,
    hangs: new Set(),
    calls: { Status: 0, Encrypt: 0, Decrypt: 0 },
    stop() {
      server?.forceShutdown();
      server = undefined;
      rmSync(socket, { force: true });
    },
    async start() {
      server = new Server();
      server.addService(keyManagementService().service, {
        Status: handler('Status', () => plugin.status),
        Encrypt: handler('Encrypt', ({ plaintext }: { plaintext: Buffer }) => ({
          ciphertext: encrypt(plugin.status.keyId, plaintext),
          keyId: plugin.status.keyId,
          annotations: { 'version.kms.example.com': Buffer.from('1') },
          ...plugin.forged,
        })),
        Decrypt: handler('Decrypt', ({ ciphertext, keyId }: KmsCiphertext) => ({
          plaintext: plugin.plaintext ?? decrypt(keyId, ciphertext),
        })),
      });
      const bound = Promise.withResolvers<void>();
      const address = isAbstract ? `unix:\0${socket}` : `unix:${socket}`;
      server.bindAsync(address, ServerCredentials.createInsecure(), (error) => (error ? bound.reject(error) : bound.resolve()));
      await bound.promise;
    },
    remove() {
      plugin.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  function handler<Q>(method: keyof KmsPlugin['calls'], answer: (request: Q) => object) {
    return ({ request }: { request: Q }, done: sendUnaryData<object>) => {
      plugin.calls[method]++;
      if (plugin.hangs.has(method)) return;
      try {
        done(null, answer(request));
      } catch (error) {
        const failure: Partial<ServiceError> = { code: status.INTERNAL, details: error instanceof Error ? error.message : String(error) };
        done(failure);
      }
    };
  }
  await plugin.start();
  return plugin;
}
