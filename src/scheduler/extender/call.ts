import { readFileSync } from 'node:fs';
import { request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { goDurationMs, type schedulerconfigV1 } from '../../api/index.ts';

export type ExtenderConfig = schedulerconfigV1.Extender;

/** Upstream's DefaultExtenderTimeout. */
const defaultTimeoutMs = 5000;
const maxAnswerBytes = 64 * 1024 * 1024;

/** Posts JSON to one of an extender's verbs and answers what it says. */
export type Call = (verb: string, body: unknown, signal: AbortSignal) => Promise<unknown>;

export function createCall(config: ExtenderConfig): Call {
  const { urlPrefix, tlsConfig, enableHTTPS, httpTimeout } = config;
  const timeoutMs = (httpTimeout ? goDurationMs(httpTimeout) : 0) || defaultTimeoutMs;
  const secure = urlPrefix.startsWith('https:') || enableHTTPS === true;
  const pem = (data: string | undefined, file: string | undefined) =>
    data ? Buffer.from(data, 'base64') : file ? readFileSync(file) : undefined;
  const ca = pem(tlsConfig?.caData, tlsConfig?.caFile);
  const cert = pem(tlsConfig?.certData, tlsConfig?.certFile);
  const key = pem(tlsConfig?.keyData, tlsConfig?.keyFile);
  const tls = secure && {
    ...(ca ? { ca } : {}),
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
    ...(tlsConfig?.serverName ? { servername: tlsConfig.serverName } : {}),
    // As upstream: HTTPS asked for with no authority given is not checked.
    rejectUnauthorized: !(tlsConfig?.insecure || (enableHTTPS && !ca)),
  };
  return (verb, body, signal) => {
    const url = `${urlPrefix.replace(/\/+$/, '')}/${verb}`;
    const options: RequestOptions = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    };
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const request = tls ? httpsRequest(url, { ...options, ...tls }) : httpRequest(url, options);
    request.on('error', reject);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > maxAnswerBytes) request.destroy(new Error(`the answer of extender at URL ${url} is too large`));
        chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode !== 200) {
          reject(new Error(`failed ${verb} with extender at URL ${url}, code ${response.statusCode}`));
          return;
        }
        try {
          resolve(JSON.parse(Buffer.concat(chunks).toString()));
        } catch (error) {
          reject(error);
        }
      });
    });
    request.end(JSON.stringify(body));
    return promise;
  };
}
