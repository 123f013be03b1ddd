/** How often what is published as OpenAPI has changed and been made anew, and on whose account, with upstream's metric names. */
import type { Registry } from 'prom-client';
import { counters, gauges } from '../../observability/index.ts';

export interface OpenApiMetrics {
  /** The whole document of version 2 has been made: for the first time, or because of what is served. */
  made(reason: 'startup' | 'update', seconds: number): void;
}

export function createOpenApiMetrics(registry: Registry): OpenApiMetrics {
  const count = counters(registry, {
    name: 'aggregator_openapi_v2_regeneration_count',
    help: 'Counter of OpenAPI v2 spec regeneration count broken down by causing APIService name and reason.',
  });
  const duration = gauges(registry, {
    name: 'aggregator_openapi_v2_regeneration_duration',
    help: 'Gauge of OpenAPI v2 spec regeneration duration in seconds.',
  });
  return {
    made(reason, seconds) {
      // The name that upstream's aggregator has for the server that it is part of.
      const apiservice = reason === 'startup' ? '*' : 'k8s_internal_local_delegation_chain_0000000002';
      count.with({ apiservice, reason }).inc();
      duration.with({ reason }).value = seconds;
    },
  };
}

export interface DefinitionMetrics {
  /** A CustomResourceDefinition has come, changed or gone. */
  published(definition: { name: string; group: string; versions: readonly string[] }, reason: 'add' | 'update' | 'remove'): void;
}

export function createDefinitionMetrics(registry: Registry): DefinitionMetrics {
  const v2 = counters(registry, {
    name: 'apiextensions_openapi_v2_regeneration_count',
    help: 'Counter of OpenAPI v2 spec regeneration count broken down by causing CRD name and reason.',
  });
  const v3 = counters(registry, {
    name: 'apiextensions_openapi_v3_regeneration_count',
    help: 'Counter of OpenAPI v3 spec regeneration count broken down by group, version, causing CRD and reason.',
  });
  return {
    published({ name, group, versions }, reason) {
      v2.with({ crd: name, reason }).inc();
      for (const version of versions) v3.with({ crd: name, group, reason, version }).inc();
    },
  };
}
