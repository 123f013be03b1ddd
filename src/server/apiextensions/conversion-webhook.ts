/** Conversion of custom resources by the webhook of their definition (ConversionReview v1 and v1beta1). */
import { type apiextensionsV1, errors, type KubeObject } from '../../api/index.ts';
import type { Random } from '../../time/index.ts';
import { newUid } from '../registry/identity.ts';
import type { WebhookClient } from '../webhook/index.ts';

/** As upstream's: conversion webhooks can't be given another. */
const timeoutSeconds = 30;
/** A webhook that answers more than the server would store of a list is lying. */
const maxAnswerBytes = 64 * 1024 * 1024;

export interface ConversionContext {
  webhooks: WebhookClient;
  random: Random;
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
  { webhooks, random }: ConversionContext,
): ((objects: readonly KubeObject[], apiVersion: string) => Promise<KubeObject[]>) | undefined {
  const { strategy, webhook } = definition.spec.conversion ?? {};
  const config = webhook?.clientConfig;
  if (strategy !== 'Webhook' || !config) return undefined;
  const version = webhook.conversionReviewVersions.find((v) => v === 'v1' || v === 'v1beta1') ?? 'v1';
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
      const answer = (await webhooks.post(config, review, { timeoutSeconds, sendTimeout: true, maxAnswerBytes })) as Review | null;
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
