/** The scale subresource: an autoscaling/v1 Scale over whatever fields a kind says. */
import {
  ageColumn,
  type autoscalingV1,
  deepCopy,
  defineKind,
  errors,
  fieldDoc,
  formatLabelSelector,
  type KindDefinition,
  type KubeObject,
  type LabelSelector,
  nameColumn,
  type Resource,
  type ScalePaths,
} from '../../api/index.ts';
import type { Answer, RequestContext } from '../exchange.ts';
import { preconditionFailed } from '../storage/storage-error.ts';
import { apply, isApply } from './apply.ts';
import { decodeDocument } from './codec.ts';
import { checkName, matchNamespace } from './create.ts';
import { patchRequest, readPatch } from './patch-document.ts';
import { readDocument } from './read-body.ts';
import type { Registry } from './registry.ts';
import type { ServedResource } from './served-resource.ts';
import { checkConvertible, storageOf } from './served-resource.ts';
import { changeObject, type ShownObject } from './update.ts';
import { type WriteOptions, writeOptions } from './write-options.ts';

/** Its constant is not generated: Scale is no REST resource of its own. */
const scaleKind: Resource<autoscalingV1.Scale> = {
  group: 'autoscaling',
  version: 'v1',
  kind: 'Scale',
  plural: 'scales',
  namespaced: true,
};

/** What a Scale looks like in a table. */
const scaleResource: ServedResource = {
  kind: defineKind<autoscalingV1.Scale>({
    resource: scaleKind,
    columns: [
      { ...nameColumn, format: '' },
      {
        name: 'Desired',
        type: 'integer',
        description: fieldDoc('autoscaling.v1.ScaleSpec.replicas'),
        value: desired,
      },
      { name: 'Available', type: 'integer', description: fieldDoc('autoscaling.v1.ScaleStatus.replicas'), value: available },
      ageColumn,
    ],
  }) as unknown as KindDefinition, // its columns are given Scales only
  resource: scaleKind,
  version: undefined,
  warning: undefined,
  apiVersion: 'autoscaling/v1',
  storage: undefined,
  custom: undefined,
  indexes: new Set(),
};

function desired({ spec }: autoscalingV1.Scale): number {
  return spec?.replicas ?? 0;
}

function available({ status }: autoscalingV1.Scale): number {
  return status?.replicas ?? 0;
}

type Tree = { [field: string]: Tree | unknown };

function read(object: unknown, path: string): unknown {
  let value = object;
  for (const step of path.replace(/^\./, '').split('.')) value = (value as Tree | undefined)?.[step];
  return value;
}

function write(object: object, path: string, value: unknown): void {
  const steps = path.replace(/^\./, '').split('.');
  const last = steps.pop() ?? '';
  let at = object as Tree;
  for (const step of steps) {
    at[step] ??= {};
    at = at[step] as Tree; // made or found just above
  }
  at[last] = value;
}

/** A selector in its query form, whether it is a map, a LabelSelector, or, in custom resources, text already. */
function selectorText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) return '';
  const isSelector = 'matchLabels' in value || 'matchExpressions' in value;
  // Either form is what the path of the kind's definition leads to.
  return formatLabelSelector(isSelector ? (value as LabelSelector) : { matchLabels: value as Record<string, string> }).replace(
    '<none>',
    '',
  );
}

export function scaleOf(object: KubeObject, paths: ScalePaths): autoscalingV1.Scale {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const selector = selectorText(read(object, paths.selector));
  const replicas = Number(read(object, paths.specReplicas) ?? 0);
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, ...(namespace === undefined ? {} : { namespace }), uid, resourceVersion, creationTimestamp },
    spec: replicas === 0 ? {} : { replicas },
    status: { replicas: Number(read(object, paths.statusReplicas) ?? 0), ...(selector === '' ? {} : { selector }) },
  };
}

export async function scale(registry: Registry, context: RequestContext, served: ServedResource, paths: ScalePaths): Promise<Answer> {
  const { info } = context;
  if (info.verb === 'get') {
    const item = await storageOf(served).get(info.namespace, info.name);
    if (item === undefined) throw errors.notFound(served.resource, info.name);
    await checkConvertible(served, [item.object]);
    return { type: 'object', status: 200, item: { object: scaleOf(item.object, paths) }, resource: scaleResource };
  }
  if (info.verb !== 'update' && info.verb !== 'patch') throw errors.methodNotSupported(served.resource, info.verb);
  const shown: ShownObject = {
    kind: scaleKind,
    of: (object) => scaleOf(object, paths),
    take: (shown, into) => {
      const { spec } = shown as autoscalingV1.Scale; // it was made a Scale just above
      write(into, paths.specReplicas, checkedReplicas(info.name, spec?.replicas));
    },
  };
  if (info.verb === 'patch' && isApply(context)) {
    const through = { resource: scaleResource, whole: (value: object) => wholeConfiguration(served, paths, value), shown };
    const { item } = await apply(registry, context, served, through);
    // It answers the object that it has written.
    return { type: 'object', status: 200, item: { object: scaleOf(item.object as KubeObject, paths) }, resource: scaleResource };
  }
  const { options, wanted } = await scaleReader(context, served, paths);
  const item = await changeObject(registry, context, served, {
    options,
    preconditions: {},
    async next(current) {
      await checkConvertible(served, [current]);
      const asked = wanted(current);
      const { metadata, spec } = asked;
      matchNamespace(asked, info.namespace);
      checkName(info.name, metadata.name);
      const { uid } = current.metadata;
      if (metadata.uid && metadata.uid !== uid)
        throw errors.conflict(served.resource, info.name, preconditionFailed('UID', metadata.uid, uid));
      const next = deepCopy(current);
      if (metadata.resourceVersion) next.metadata.resourceVersion = metadata.resourceVersion;
      write(next, paths.specReplicas, checkedReplicas(info.name, spec.replicas));
      return next;
    },
    shown,
  });
  return { type: 'object', status: 200, item: { object: scaleOf(item.object, paths) }, resource: scaleResource };
}

/** What an applied Scale says of the object that it is of. */
function wholeConfiguration(
  { apiVersion, resource }: ServedResource,
  paths: ScalePaths,
  value: Partial<autoscalingV1.Scale>,
): Record<string, unknown> {
  const { metadata = {}, spec } = value;
  const whole = { apiVersion, kind: resource.kind, metadata };
  if (spec?.replicas !== undefined) write(whole, paths.specReplicas, checkedReplicas(value.metadata?.name ?? '', spec.replicas));
  return whole;
}

function checkedReplicas(name: string, replicas = 0): number {
  if (replicas >= 0) return replicas;
  throw errors.invalid(scaleKind, name, [
    { type: 'FieldValueInvalid', field: 'spec.replicas', body: `Invalid value: ${replicas}: must be greater than or equal to 0` },
  ]);
}

/** The Scale that the client wants, from its PUT or from its patch of the present one. */
async function scaleReader(
  context: RequestContext,
  served: ServedResource,
  paths: ScalePaths,
): Promise<{ options: WriteOptions; wanted: (current: KubeObject) => autoscalingV1.Scale }> {
  // Decoded as Scale by the table.
  const decode = (value: unknown, { fieldValidation }: WriteOptions) =>
    decodeDocument(context, { value, duplicates: [] }, scaleKind, fieldValidation) as autoscalingV1.Scale;
  if (context.info.verb === 'update') {
    const options = writeOptions(context, 'UpdateOptions');
    const { value } = await readDocument(context, 'Scale');
    const wanted = decode(value, options);
    context.audit?.request(wanted.metadata, () => deepCopy(wanted));
    return { options, wanted: () => wanted };
  }
  const asked = patchRequest(context, scaleKind, served.custom === undefined);
  const { options } = asked;
  const apply = await readPatch(context, asked);
  const wanted = (current: KubeObject) => {
    const present = scaleOf(current, paths);
    const shown = { ...present, metadata: { ...present.metadata, resourceVersion: '' } };
    // `decode` makes a Scale.
    return apply(shown, (value) => decode(value, options)) as autoscalingV1.Scale;
  };
  return { options, wanted };
}
