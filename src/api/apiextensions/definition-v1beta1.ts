/**
 * CustomResourceDefinition of apiextensions.k8s.io/v1beta1, as manifests from before 1.22 have it: one schema, one set of columns
 * for all versions, unknown fields preserved unless said otherwise, schemas that name no types.
 */
import { normalize } from '../decode.ts';
import { deepCopy, deepEqual } from '../equality.ts';
import {
  type CustomResourceColumnDefinition,
  type CustomResourceConversion,
  CustomResourceDefinition,
  type CustomResourceDefinitionSpec,
  type CustomResourceDefinitionStatus,
  type CustomResourceDefinitionVersion,
  type CustomResourceSubresources,
  type CustomResourceValidation,
  type SelectableField,
  type WebhookClientConfig,
} from '../generated/apiextensions.v1.ts';
import type { KubeObject, Resource } from '../resource.ts';
import { structNode } from '../schema/table.ts';
import { convertedVersion } from '../served-version.ts';
import { impliedStructure } from './implied-structure.ts';

type OldColumn = Omit<CustomResourceColumnDefinition, 'jsonPath'> & { JSONPath: string };

interface Facets {
  subresources?: CustomResourceSubresources;
  additionalPrinterColumns?: OldColumn[];
  selectableFields?: SelectableField[];
}

interface OldVersion extends Facets {
  name: string;
  served: boolean;
  storage: boolean;
  deprecated?: boolean;
  deprecationWarning?: string;
  schema?: CustomResourceValidation;
}

interface OldSpec extends Facets {
  group: string;
  version?: string;
  names: CustomResourceDefinitionSpec['names'];
  scope?: string;
  validation?: CustomResourceValidation;
  versions?: OldVersion[];
  conversion?: { strategy: string; webhookClientConfig?: WebhookClientConfig; conversionReviewVersions?: string[] };
  preserveUnknownFields?: boolean;
}

interface OldDefinition extends KubeObject {
  spec: OldSpec;
  status?: CustomResourceDefinitionStatus;
}

const resource: Resource<OldDefinition> = { ...CustomResourceDefinition, version: 'v1beta1' } as Resource<OldDefinition>; // another version of the same

function newConversion({
  strategy,
  webhookClientConfig,
  conversionReviewVersions,
}: NonNullable<OldSpec['conversion']>): CustomResourceConversion {
  if (!webhookClientConfig && !conversionReviewVersions) return { strategy };
  return {
    strategy,
    webhook: {
      ...(webhookClientConfig ? { clientConfig: webhookClientConfig } : {}),
      conversionReviewVersions: conversionReviewVersions ?? ['v1beta1'],
    },
  };
}

function newVersion(version: OldVersion, spec: OldSpec, isStored: boolean): CustomResourceDefinitionVersion {
  const { additionalPrinterColumns, schema, subresources, selectableFields, ...rest } = version;
  const columns = additionalPrinterColumns ?? spec.additionalPrinterColumns;
  const given = (schema ?? spec.validation)?.openAPIV3Schema;
  const open = isStored ? given : impliedStructure({ type: 'object', ...given }, spec.preserveUnknownFields !== false);
  const parts = subresources ?? spec.subresources;
  const selectable = selectableFields ?? spec.selectableFields;
  return {
    ...rest,
    ...(open ? { schema: { openAPIV3Schema: open } } : {}),
    ...(parts ? { subresources: parts } : {}),
    ...(columns ? { additionalPrinterColumns: columns.map(({ JSONPath, ...column }) => ({ ...column, jsonPath: JSONPath })) } : {}),
    ...(selectable ? { selectableFields: selectable } : {}),
  };
}

function converted({ metadata, spec, status }: OldDefinition, isStored: boolean): Omit<CustomResourceDefinition, 'apiVersion' | 'kind'> {
  const { group, names, scope, conversion } = spec;
  const versions = spec.versions?.length ? spec.versions : [{ name: spec.version ?? '', served: true, storage: true }];
  const made = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: CustomResourceDefinition.kind,
    metadata,
    spec: {
      group,
      names,
      scope: scope || 'Namespaced',
      versions: versions.map((version) => newVersion(version, spec, isStored)),
      ...(isStored && spec.preserveUnknownFields !== false ? { preserveUnknownFields: true } : {}),
      ...(conversion ? { conversion: newConversion(conversion) } : {}),
    },
    ...(status ? { status } : {}),
  };
  return normalize(structNode('apiextensions.v1.CustomResourceDefinition'), deepCopy(made) as CustomResourceDefinition);
}

/** What clients send becomes valid as of today. */
const toStorage = (definition: OldDefinition) => converted(definition, false);

/** What was stored when it was valid goes on as it is, and its status says what is wrong with it. */
const fromStored = (definition: OldDefinition) => converted(definition, true);

function oldVersion({ additionalPrinterColumns, ...rest }: CustomResourceDefinitionVersion): OldVersion {
  const columns = additionalPrinterColumns?.map(({ jsonPath, ...column }) => ({ ...column, JSONPath: jsonPath }));
  return columns ? { ...rest, additionalPrinterColumns: columns } : rest;
}

function fromStorage({ metadata, spec, status }: CustomResourceDefinition): Omit<OldDefinition, 'apiVersion' | 'kind'> {
  const { group, names, scope, conversion, preserveUnknownFields } = spec;
  const versions = spec.versions.map(oldVersion);
  const [first] = versions;
  const shared = <K extends keyof OldVersion>(key: K): OldVersion[K] | undefined =>
    first !== undefined && versions.every((v) => deepEqual(v[key] ?? null, first[key] ?? null)) ? first[key] : undefined;
  const tops = {
    validation: shared('schema'),
    subresources: shared('subresources'),
    additionalPrinterColumns: shared('additionalPrinterColumns'),
    selectableFields: shared('selectableFields'),
  };
  const own = versions.map((version) => {
    const { schema, subresources, additionalPrinterColumns, selectableFields, ...rest } = version;
    return {
      ...rest,
      ...(schema && !tops.validation ? { schema } : {}),
      ...(subresources && !tops.subresources ? { subresources } : {}),
      ...(additionalPrinterColumns && !tops.additionalPrinterColumns ? { additionalPrinterColumns } : {}),
      ...(selectableFields && !tops.selectableFields ? { selectableFields } : {}),
    };
  });
  const { webhook } = conversion ?? {};
  return {
    metadata,
    spec: {
      group,
      ...(first ? { version: first.name } : {}),
      names,
      scope,
      // Fields that no version has are left out.
      ...(JSON.parse(JSON.stringify(tops)) as Facets),
      versions: own,
      conversion: {
        strategy: conversion?.strategy ?? 'None',
        ...(webhook?.clientConfig ? { webhookClientConfig: webhook.clientConfig } : {}),
        ...(webhook ? { conversionReviewVersions: webhook.conversionReviewVersions } : {}),
      },
      preserveUnknownFields: preserveUnknownFields ?? false,
    },
    ...(status ? { status } : {}),
  };
}

export const definitionV1beta1 = {
  ...convertedVersion<OldDefinition, CustomResourceDefinition>(resource, CustomResourceDefinition, { toStorage, fromStored, fromStorage }),
  warning:
    'apiextensions.k8s.io/v1beta1 CustomResourceDefinition is deprecated in v1.16+, unavailable in v1.22+; use apiextensions.k8s.io/v1 CustomResourceDefinition',
};
