/** Conversion of custom resources by the webhook of their definition (ConversionReview v1 and v1beta1). */
import { request } from 'node:https';
import { isIP } from 'node:net';
import { type apiextensionsV1, errors, type KubeObject, Service } from '../../api/index.ts';
import type { Clock, Random } from '../../time/index.ts';
import { newUid } from '../registry/identity.ts';
import { readObject, type Storages } from '../storages.ts';

/** As upstream's: conversion webhooks can't be given another. */
const timeoutMs = 30_000;
/** A webhook that answers more than the server would store of a list is lying. */
const maxAnswerBytes = 64 * 1024 * 1024;

export interface ConversionContext {
  storages: Storages;
  clock: Clock;
  random: Random;
}

interface Target {
  host: string;
  port: number;
  path: string;
  serverName: string;
}

async function targetOf(config: apiextensionsV1.WebhookClientConfig, storages: Storages): Promise<Target> {
  if (config.url !== undefined) {
    const url = new URL(config.url);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    return { host, port: Number(url.port || 443), path: url.pathname + url.search, serverName: host };
  }
  const { namespace = '', name = '', port = 443, path = '/' } = config.service ?? { namespace: '', name: '' };
  const service = await readObject(storages, Service, namespace, name);
  const clusterIp = service?.spec?.clusterIP;
  if (!clusterIp || clusterIp === 'None') throw new Error(`service ${JSON.stringify(name)} not found`);
  return { host: clusterIp, port, path, serverName: `${name}.${namespace}.svc` };
}

/** Posts JSON and reads JSON, both bounded. */
async function post(target: Target, ca: string | undefined, body: object, clock: Clock): Promise<unknown> {
  const deadline = new AbortController();
  const timer = clock.setTimer(timeoutMs, () => deadline.abort(new Error('context deadline exceeded')), { background: true });
  try {
    return await new Promise((resolve, reject) => {
      const sent = request(
        {
          host: target.host,
          port: target.port,
          path: target.path,
          method: 'POST',
          // Addresses are no server names (RFC 6066); they are checked as addresses.
          ...(isIP(target.serverName) ? {} : { servername: target.serverName }),
          ...(ca === undefined ? {} : { ca }),
          headers: { 'content-type': 'application/json', accept: 'application/json', host: target.serverName },
          signal: deadline.signal,
        },
        (response) => {
          const chunks: Buffer[] = [];
          let size = 0;
          response.on('data', (chunk: Buffer) => {
            size += chunk.length;
            if (size > maxAnswerBytes) response.destroy(new Error('the answer is too large'));
            else chunks.push(chunk);
          });
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString('utf8');
            if (response.statusCode !== 200) reject(new Error(`the server answered ${response.statusCode}: ${text.slice(0, 200)}`));
            else
              try {
                resolve(JSON.parse(text));
              } catch (error) {
                reject(error);
              }
          });
        },
      );
      sent.on('error', (error) => reject(deadline.signal.aborted ? deadline.signal.reason : error));
      sent.end(JSON.stringify(body));
    });
  } finally {
    timer.cancel();
  }
}

interface Review {
  response?: { uid?: string; result?: { status?: string; message?: string }; convertedObjects?: KubeObject[] } | null;
}

/** A converted object, of whose metadata only labels and annotations may be other than they were. */
function checked(converted: KubeObject | undefined, original: KubeObject, apiVersion: string, i: number): KubeObject {
  if (converted?.apiVersion !== apiVersion)
    throw new Error(`invalid groupVersion for converted object at index ${i}: expected ${apiVersion}, got ${converted?.apiVersion}`);
  if (converted.kind !== original.kind)
    throw new Error(`invalid kind for converted object at index ${i}: expected ${original.kind}, got ${converted.kind}`);
  for (const field of ['name', 'namespace', 'uid'] as const)
    if ((converted.metadata?.[field] ?? '') !== (original.metadata[field] ?? ''))
      throw new Error(`invalid metadata of converted object at index ${i}: ${field} must not change`);
  const { labels: _labels, annotations: _annotations, ...kept } = original.metadata;
  const { labels, annotations } = converted.metadata;
  return { ...converted, metadata: { ...kept, ...(labels ? { labels } : {}), ...(annotations ? { annotations } : {}) } };
}

/** What converts objects of a definition with a webhook; undefined for other definitions. Throws InternalError. */
export function webhookConverter(
  definition: apiextensionsV1.CustomResourceDefinition,
  { storages, clock, random }: ConversionContext,
): ((objects: readonly KubeObject[], apiVersion: string) => Promise<KubeObject[]>) | undefined {
  const { strategy, webhook } = definition.spec.conversion ?? {};
  const config = webhook?.clientConfig;
  if (strategy !== 'Webhook' || !config) return undefined;
  const version = webhook.conversionReviewVersions.find((v) => v === 'v1' || v === 'v1beta1') ?? 'v1';
  const ca = config.caBundle === undefined ? undefined : Buffer.from(config.caBundle, 'base64').toString('utf8');
  return async (objects, desiredAPIVersion) => {
    const [first] = objects;
    if (!first) return [];
    const uid = newUid(random);
    const review = {
      apiVersion: `apiextensions.k8s.io/${version}`,
      kind: 'ConversionReview',
      request: { uid, desiredAPIVersion, objects },
    };
    try {
      // Whatever it is, its fields are looked at one by one.
      const answer = (await post(await targetOf(config, storages), ca, review, clock)) as Review | null;
      const response = answer?.response;
      if (!response) throw new Error(`no response provided`);
      if (response.uid !== uid) throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response.uid ?? '')}`);
      if (response.result?.status !== 'Success') throw new Error(response.result?.message || 'response.result.status was not Success');
      const converted = response.convertedObjects ?? [];
      if (converted.length !== objects.length) throw new Error(`expected ${objects.length} converted objects, got ${converted.length}`);
      return objects.map((object, i) => checked(converted[i], object, desiredAPIVersion, i));
    } catch (error) {
      const [group, from] = first.apiVersion.split('/');
      throw errors.internal(
        `conversion webhook for ${group}/${from}, Kind=${first.kind} failed: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  };
}
