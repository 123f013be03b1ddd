/** Conversion of custom resources by the webhook of their definition (ConversionReview v1 and v1beta1). */
import type { apiextensionsV1, KubeObject } from '../../api/index.ts';
import type { Random } from '../../time/index.ts';
import type { ConversionFailure, ConversionMetrics } from '../metrics/conversion-metrics.ts';
import { newUid } from '../registry/identity.ts';
import type { WebhookClient } from '../webhook/index.ts';
import { type ConversionRequest, type ConversionReview, callFailed, convertedObjects, failures } from './conversion-review.ts';

/** As upstream's: conversion webhooks can't be given another. */
const timeoutSeconds = 30;
/** A webhook that answers more than the server would store of a list is lying. */
const maxAnswerBytes = 64 * 1024 * 1024;

export interface ConversionContext {
  webhooks: WebhookClient;
  random: Random;
  metrics?: ConversionMetrics | undefined;
}

/** What converts objects of a definition with a webhook; undefined for other definitions. Throws InternalError. */
export function webhookConverter(
  definition: apiextensionsV1.CustomResourceDefinition,
  { webhooks, random, metrics }: ConversionContext,
): ((objects: readonly KubeObject[], apiVersion: string) => Promise<KubeObject[]>) | undefined {
  const { strategy, webhook } = definition.spec.conversion ?? {};
  const config = webhook?.clientConfig;
  if (strategy !== 'Webhook' || !config) return undefined;
  const version = webhook.conversionReviewVersions.find((v) => v === 'v1' || v === 'v1beta1') ?? 'v1';
  const call = async (request: ConversionRequest): Promise<KubeObject[]> => {
    const { apiVersion, uid, desiredAPIVersion, objects } = request;
    const review = { apiVersion, kind: 'ConversionReview', request: { uid, desiredAPIVersion, objects } };
    let answer: ConversionReview | null;
    try {
      // Whatever it is, its fields are looked at one by one.
      answer = (await webhooks.post(config, review, { timeoutSeconds, sendTimeout: true, maxAnswerBytes })) as ConversionReview | null;
    } catch (error) {
      throw callFailed(request, error);
    }
    return convertedObjects(request, answer);
  };
  const versionOf = (apiVersion: string) => apiVersion.slice(apiVersion.indexOf('/') + 1);
  return async ([first, ...others], desiredAPIVersion) => {
    if (!first) return [];
    const apiVersion = `apiextensions.k8s.io/${version}`;
    const request: ConversionRequest = { apiVersion, uid: newUid(random), desiredAPIVersion, objects: [first, ...others] };
    const startedMs = metrics?.now() ?? 0;
    let failure: ConversionFailure | undefined;
    try {
      return await call(request);
    } catch (error) {
      failure = failures.get(error as object);
      throw error;
    } finally {
      const [from, to] = [versionOf(first.apiVersion), versionOf(desiredAPIVersion)];
      const seconds = ((metrics?.now() ?? 0) - startedMs) / 1000;
      metrics?.called({ definition: definition.metadata.name, from, to, failure, seconds });
    }
  };
}
