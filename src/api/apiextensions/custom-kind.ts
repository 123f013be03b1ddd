/** A kind made from a CustomResourceDefinition: custom resources go through the same machine as built-in ones. */
import { deepCopy, deepEqual, semanticEqual } from '../equality.ts';
import { type FieldErrors, FieldPath, goQuote } from '../fields.ts';
import type { CustomResourceDefinition, CustomResourceDefinitionVersion } from '../generated/apiextensions.v1.ts';
import type { CustomForm, CustomVersion, KindDefinition, ScalePaths, ServedVersion } from '../kind.ts';
import { isQualifiedName } from '../names.ts';
import type { KubeObject, Resource } from '../resource.ts';
import { errors as statusErrors } from '../status-error.ts';
import { compareVersions } from '../version-order.ts';
import { ConvertedObjects } from './converted-objects.ts';
import { customColumns } from './custom-columns.ts';
import { decodeMetadata } from './custom-metadata.ts';
import { isConditionTrue, storageVersionOf } from './custom-resource-definition.ts';
import { validateEmbedded } from './embedded-resources.ts';
import { effectiveSpec } from './implied-structure.ts';
import { compileJsonPath } from './json-path.ts';
import { validateListTypes } from './list-types.ts';
import { validateScaleSpec, validateScaleStatus } from './scale-validation.ts';
import { applySchemaDefaults, hasSchemaDefaults } from './schema-defaults.ts';
import { resourceNode } from './schema-node.ts';
import { pruneToSchema } from './schema-pruning.ts';
import { validateValue } from './schema-validation.ts';
import { applyRules, type RuleMeasures } from './validation-rules.ts';

const root = new FieldPath();
const statusPath = new FieldPath('status');

/** What users of a version are told where its definition has no words of its own: with the best version after it, if there is one. */
function deprecationWarning({ spec: { group, names, versions } }: CustomResourceDefinition, version: string): string {
  const of = (name: string) => `${group}/${name} ${names.kind}`;
  const [better] = versions
    .filter(({ name, served, deprecated }) => served && !deprecated && compareVersions(name, version) < 0)
    .map(({ name }) => name)
    .sort(compareVersions);
  return `${of(version)} is deprecated${better === undefined ? '' : `; use ${of(better)}`}`;
}

const standardFinalizers = new Set(['orphan', 'foregroundDeletion', 'kubernetes']);

/** What those are told who add a finalizer that others may want to call theirs as well. */
function finalizerWarnings({ metadata }: KubeObject, prev: KubeObject | undefined): string[] {
  const before = new Set(prev?.metadata.finalizers ?? []);
  const added = [...new Set(metadata.finalizers ?? [])].filter((finalizer) => !before.has(finalizer)).sort();
  return added.flatMap((finalizer) => {
    const problems = isQualifiedName(finalizer);
    if (!finalizer.includes('/') && !standardFinalizers.has(finalizer))
      problems.push(
        `prefer a domain-qualified finalizer name ${finalizer.includes('.') ? 'including a path (/) ' : ''}to avoid accidental conflicts with other finalizer writers`,
      );
    return problems.map((problem) => `metadata.finalizers: ${goQuote(finalizer)}: ${problem}`);
  });
}

function customVersion(definition: CustomResourceDefinition, version: CustomResourceDefinitionVersion): CustomVersion {
  const { group, names } = definition.spec;
  const apiVersion = `${group}/${version.name}`;
  const schema = version.schema?.openAPIV3Schema;
  let node: CustomVersion['node'] | undefined;
  return {
    served: version.served,
    get node() {
      node ??= resourceNode(schema, `${version.name}.${names.kind}`);
      return node;
    },
    decode(value, unknown, { dropsInvalid = false } = {}) {
      const { apiVersion: _apiVersion, kind: _kind, metadata: given, ...rest } = value;
      const metadata = decodeMetadata(given ?? {}, 'metadata', { unknown, dropsInvalid });
      // A whole object's pruned copy is an object.
      const fields = pruneToSchema(schema, rest, unknown, { isResource: true, dropsInvalid }) as Record<string, unknown>;
      return { apiVersion, kind: names.kind, metadata, ...fields };
    },
    hasDefaults: schema !== undefined && hasSchemaDefaults(schema),
    defaults(object) {
      if (schema) applySchemaDefaults(schema, object);
    },
    schema,
    selectableFields: (version.selectableFields ?? []).map(({ jsonPath }) => jsonPath.slice(1)),
    warning: version.deprecated ? (version.deprecationWarning ?? deprecationWarning(definition, version.name)) : undefined,
  };
}

interface Parted extends KubeObject {
  status?: unknown;
  [field: string]: unknown;
}

const hasStatus = (version: CustomResourceDefinitionVersion) => version.subresources?.status !== undefined;

/** Everything but metadata and, where it has an endpoint of its own, the status. */
function intent(object: Parted, withStatus: boolean): Record<string, unknown> {
  const { metadata: _metadata, apiVersion: _apiVersion, kind: _kind, status, ...rest } = object;
  return withStatus ? { ...rest, status } : rest;
}

/** What is particular to a version. `shown` gives a stored object in that version. */
function rulesOf(version: CustomResourceDefinitionVersion, shown: (object: KubeObject) => KubeObject, measures: RuleMeasures | undefined) {
  const schema = version.schema?.openAPIV3Schema;
  const validate = (next: KubeObject, prev: KubeObject | undefined, errors: FieldErrors) => {
    const [value, before] = [shown(next), prev && shown(prev)];
    if (schema) validateValue(schema, value, root, errors, before);
    if (scalePaths) validateScaleSpec(value, scalePaths, errors);
    if (scalePaths) validateScaleStatus(value, scalePaths, errors);
    if (schema) validateEmbedded(schema, value, errors);
    if (schema) validateListTypes(schema, value, errors, before);
    if (schema) applyRules(schema, value, root, errors, before, measures);
  };
  const statusSchema = schema?.properties?.status;
  /** Whatever the rest says: it is as it was. Rules see the whole object. */
  const validateStatus = (next: KubeObject, prev: KubeObject, errors: FieldErrors) => {
    // Wire objects' fields are open to be read.
    const [value, before] = [shown(next) as Parted, shown(prev) as Parted];
    if (statusSchema && value.status !== undefined) validateValue(statusSchema, value.status, statusPath, errors, before.status);
    if (scalePaths) validateScaleStatus(value, scalePaths, errors);
    if (schema) validateListTypes(schema, value, errors, before);
    if (schema) applyRules(schema, value, root, errors, before, measures);
  };
  const { scale } = version.subresources ?? {};
  const scalePaths: ScalePaths | undefined = scale && {
    specReplicas: scale.specReplicasPath,
    statusReplicas: scale.statusReplicasPath,
    selector: scale.labelSelectorPath ?? '',
  };
  return {
    columns: customColumns(version.additionalPrinterColumns, shown),
    validateCreate: (object: KubeObject, errors: FieldErrors) => validate(object, undefined, errors),
    validateUpdate: (next: KubeObject, prev: KubeObject, errors: FieldErrors) => validate(next, prev, errors),
    fieldSelectors: Object.fromEntries(
      (version.selectableFields ?? []).map(({ jsonPath }) => {
        const read = compileJsonPath(jsonPath);
        return [
          jsonPath.slice(1),
          (object: KubeObject) => {
            const [found] = read(shown(object));
            return found === undefined || found === null ? '' : String(found);
          },
        ];
      }),
    ),
    subresources: {
      ...(hasStatus(version)
        ? {
            status: {
              keepsMetadata: true,
              // Whatever else there is beside them.
              resetFields: { reset: { 'f:metadata': {}, 'f:spec': {} } },
              validate: validateStatus,
            },
          }
        : {}),
      ...(scalePaths ? { scale: scalePaths } : {}),
    },
  };
}

/** Converts objects to a version, given as `group/version`. */
export type Converter = (objects: readonly KubeObject[], apiVersion: string) => Promise<KubeObject[]>;

/** A version that a converter, which takes its time, converts to and from. */
function convertedBy(
  convert: Converter,
  apiVersions: { served: string; storage: string },
  complete: (object: KubeObject, to: 'storage' | 'served') => KubeObject,
): Required<Pick<ServedVersion, 'prepare' | 'toStorage' | 'fromStorage'>> {
  const known = { storage: new ConvertedObjects(), served: new ConvertedObjects() };
  const read = (to: 'storage' | 'served') => (object: KubeObject) => {
    if (object.apiVersion === apiVersions[to]) return object;
    const converted = known[to].get(object);
    if (!converted) throw statusErrors.internal(`${object.kind} ${object.metadata.name} was not converted to ${apiVersions[to]}`);
    return converted;
  };
  return {
    async prepare(objects, to) {
      // One request for each version that they are in.
      const waiting = Map.groupBy(
        objects.filter((o) => o.apiVersion !== apiVersions[to] && !known[to].get(o)),
        (o) => o.apiVersion,
      );
      for (const list of waiting.values()) {
        const converted = await convert(list, apiVersions[to]);
        for (const [i, object] of list.entries()) {
          const made = complete(converted[i] ?? object, to);
          known[to].set(object, made);
          // What it was made of is what it is there.
          if (object.apiVersion === apiVersions.served) known.served.set(made, object);
        }
      }
    },
    toStorage: read('storage'),
    fromStorage: read('served'),
  };
}

/**
 * The kind that a definition's accepted names and versions make.
 * `convert`: of a definition with a webhook; `measures`: of its rules.
 * @throws Error for a definition without a storage version
 */
export function customKind(
  definition: CustomResourceDefinition,
  { convert, measures }: { convert?: Converter | undefined; measures?: RuleMeasures } = {},
): KindDefinition {
  const spec = effectiveSpec(definition.spec);
  const { status } = definition;
  const names = status?.acceptedNames?.plural ? status.acceptedNames : spec.names;
  const storage = storageVersionOf(spec);
  if (!storage) throw new Error(`${definition.metadata.name} has no storage version`);
  const resourceOf = (version: string): Resource => ({
    group: spec.group,
    version,
    kind: names.kind,
    plural: names.plural,
    namespaced: spec.scope === 'Namespaced',
  });
  const versions = new Map(spec.versions.map((version) => [version.name, customVersion(definition, version)]));
  const storageForm = versions.get(storage.name);
  if (!storageForm) throw new Error(`${definition.metadata.name} lacks its storage version`);
  const resource = resourceOf(storage.name);
  const apiVersion = `${spec.group}/${storage.name}`;

  /** The object in a version, pruned as that version has it. A wire object's fields are open to be walked; decode makes a private copy. */
  const inVersion = (form: CustomVersion, object: KubeObject): KubeObject =>
    form.decode(object as unknown as Record<string, unknown>, [], { dropsInvalid: true });
  const defaulted = (form: CustomVersion, object: KubeObject): KubeObject => {
    form.defaults(object);
    return object;
  };
  const custom: CustomForm = {
    versions,
    repair(stored) {
      const isCurrent = stored.apiVersion === apiVersion;
      const own = versions.get(stored.apiVersion.slice(stored.apiVersion.indexOf('/') + 1)) ?? storageForm;
      // What is read gets the defaults of the version it is stored in, and of no other.
      const read = defaulted(own, inVersion(own, stored));
      // Only the webhook knows how to go on; it is asked when the object is.
      const repaired = isCurrent || convert ? read : inVersion(storageForm, read);
      const { resourceVersion } = stored.metadata;
      if (resourceVersion !== undefined) repaired.metadata.resourceVersion = resourceVersion;
      // Very old objects have none.
      repaired.metadata.generation ||= 1;
      return deepEqual(repaired, stored) ? stored : repaired;
    },
    complete(written) {
      if (!storageForm.hasDefaults) return written;
      const completed = defaulted(storageForm, deepCopy(written));
      return deepEqual(completed, written) ? written : completed;
    },
  };
  const storageRules = rulesOf(storage, (object) => object, measures);
  const others = spec.versions
    // Stored objects may be in any version where only the webhook can tell one from another.
    .filter((version) => version.served && (version !== storage || convert !== undefined))
    .map((version): ServedVersion => {
      const form = versions.get(version.name) ?? storageForm;
      const warning = form.warning === undefined ? {} : { warning: form.warning };
      if (convert) {
        const names = { served: `${spec.group}/${version.name}`, storage: apiVersion };
        const conversion = convertedBy(convert, names, (object, to) => inVersion(to === 'storage' ? storageForm : form, object));
        // Selected and scaled as they are stored; shown and validated as they were converted.
        const { columns, validateCreate, validateUpdate, subresources } = rulesOf(version, conversion.fromStorage, measures);
        const { scale } = storageRules.subresources;
        const { status } = subresources;
        const own = { ...(status ? { status } : {}), ...(scale ? { scale } : {}) };
        const overrides = { columns, validateCreate, validateUpdate, subresources: own };
        return { resource: resourceOf(version.name), defaults: form.defaults, ...conversion, overrides, ...warning };
      }
      const shown = memoized((object) => inVersion(form, object));
      return {
        resource: resourceOf(version.name),
        defaults: form.defaults,
        toStorage: (object) => inVersion(storageForm, object),
        fromStorage: shown,
        overrides: rulesOf(version, shown, measures),
        ...warning,
      };
    });
  const terminating = isConditionTrue(definition, 'Terminating');
  const statusApart = hasStatus(storage);
  return {
    resource,
    singular: names.singular ?? names.kind.toLowerCase(),
    ...(names.listKind ? { listKind: names.listKind } : {}),
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    storagePrefix: `${spec.group}/${names.plural}`,
    versions: others,
    custom,
    allowUnconditionalUpdate: false,
    warnings: finalizerWarnings,
    defaults: storageForm.defaults,
    create(object: Parted) {
      if (terminating)
        throw statusErrors.forbidden(resource, object.metadata.name, 'create not allowed while custom resource definition is terminating');
      if (statusApart) delete object.status;
    },
    generation: (next, prev) => !semanticEqual(intent(next as Parted, !statusApart), intent(prev as Parted, !statusApart)),
    ...storageRules,
  };
}

/** One conversion an object. */
function memoized(convert: (object: KubeObject) => KubeObject): (object: KubeObject) => KubeObject {
  const known = new ConvertedObjects();
  return (object) => {
    let shown = known.get(object);
    if (!shown) {
      shown = convert(object);
      known.set(object, shown);
    }
    return shown;
  };
}
