/** A webhook server of the test's own, over HTTPS with the test cluster's certificate. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TestApiServer } from '../support/api-server.ts';

export interface Asked {
  uid: string;
  operation: string;
  name?: string;
  namespace?: string;
  kind: { group: string; version: string; kind: string };
  resource: { group: string; version: string; resource: string };
  requestKind: { group: string; version: string; kind: string };
  requestResource: { group: string; version: string; resource: string };
  subResource?: string;
  userInfo: { username: string; groups?: string[] };
  object: Record<string, never> | null;
  oldObject: Record<string, never> | null;
  dryRun: boolean;
  options: { kind: string } | null;
}

export interface HookServer {
  clientConfig: { url: string; caBundle: string };
  asked: Asked[];
  /** The response of the AdmissionReview; the uid is added. */
  answer: (asked: Asked) => object;
  /** In place of an AdmissionReview. */
  misbehave: ((asked: Asked, response: ServerResponse, request: IncomingMessage) => void) | undefined;
  close(): Promise<void>;
}

export const jsonPatch = (...operations: object[]) => ({
  allowed: true,
  patchType: 'JSONPatch',
  patch: Buffer.from(JSON.stringify(operations)).toString('base64'),
});

export async function startHookServer(api: TestApiServer): Promise<HookServer> {
  const { certificate: cert, key } = api.pki.apiserver;
  const server = createServer({ cert, key }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const review = JSON.parse(Buffer.concat(chunks).toString()) as { apiVersion: string; request: Asked };
      hook.asked.push(review.request);
      if (hook.misbehave) {
        hook.misbehave(review.request, response, request);
        return;
      }
      const { apiVersion, request: asked } = review;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ apiVersion, kind: 'AdmissionReview', response: { uid: asked.uid, ...hook.answer(asked) } }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const hook: HookServer = {
    clientConfig: { url: `https://127.0.0.1:${port}/hook`, caBundle: Buffer.from(api.pki.ca.certificate).toString('base64') },
    asked: [],
    answer: () => ({ allowed: true }),
    misbehave: undefined,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return hook;
}
