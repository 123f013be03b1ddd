/**
 * A kind is a table row and what the table can't say. `defineKind` holds the latter, in the order in which a request meets it;
 * the generic registry of the server does the rest. Objects handed to `defaults`, `create` and `update` are private copies and
 * may be changed in place; `prev` never.
 */
import type { FieldErrors, FieldPath } from './fields.ts';
import type { JSONSchemaProps } from './generated/apiextensions.v1.ts';
import type { DeleteOptions, Table, TableRowCondition } from './generated/meta.v1.ts';
import type { FieldFilter } from './managed-fields/field-set.ts';
import type { KubeObject, Resource } from './resource.ts';
import type { StructNode } from './schema/node.ts';

/** Who asks, as far as a strategy may care. */
export interface StrategyContext {
  user?: string;
  groups?: readonly string[];
  uid?: string;
  extra?: Readonly<Record<string, readonly string[]>>;
  /** The present, RFC 3339. */
  now: string;
  /** Adds to the answer's Warning headers. */
  warn?(message: string): void;
  /** The version that the request asks for; default: the storage version. */
  version?: string;
  /** Whether a feature gate is on; default: all are. */
  isEnabled?: ((gate: string) => boolean) | undefined;
}

/** Another served version of the same kind. Conversions are pure and lossless. */
export interface ServedVersion<T extends KubeObject = KubeObject> {
  resource: Resource;
  /** This version's own defaults, on the object as the client sent it. */
  defaults?(obj: KubeObject): void;
  /** To the storage version. */
  toStorage(obj: KubeObject): T;
  /** As `toStorage`, of what lies in the store in this version, which need not be what a client may send. Default: the same. */
  fromStored?(obj: KubeObject): T;
  fromStorage(obj: T): KubeObject;
  /** Where conversion takes its time (webhooks): must have been called for whatever `toStorage` or `fromStorage` is given. */
  prepare?(objects: readonly KubeObject[], to: 'storage' | 'served'): Promise<void>;
  /** What of the kind's definition is different in this version (custom resources); its functions still get storage-version objects. */
  overrides?: Partial<
    Pick<KindDefinition<T>, 'columns' | 'defaultPropagation' | 'validateCreate' | 'validateUpdate' | 'subresources' | 'fieldSelectors'>
  >;
  /** Sent as a Warning header, e.g. `extensions/v1beta1 Deployment is deprecated in v1.8+, unavailable in v1.16+; use apps/v1 Deployment`. */
  warning?: string;
}

/** One version of a custom resource, as its definition has it. */
export interface CustomVersion {
  readonly served: boolean;
  /** The type, for field ownership. */
  readonly node: StructNode;
  /**
   * A private copy without the fields that the schema does not have, whose paths go to `unknown`; `dropsInvalid`: and without what is
   * no metadata.
   */
  decode(value: Readonly<Record<string, unknown>>, unknown: string[], options?: { dropsInvalid?: boolean }): KubeObject;
  readonly hasDefaults: boolean;
  /** The schema's defaults, in place. */
  defaults(obj: KubeObject): void;
  /** The schema as it was written, for OpenAPI. */
  readonly schema: JSONSchemaProps | undefined;
  /** Paths of the fields that objects can be selected by, without the leading dot. */
  readonly selectableFields: readonly string[];
  /** Sent as a Warning header. */
  readonly warning: string | undefined;
}

/** What a custom resource brings along that the table has for others. */
export interface CustomForm {
  readonly versions: ReadonlyMap<string, CustomVersion>;
  /**
   * What lies in the store, perhaps written in another version or under an earlier schema, in the storage version as it is now; the
   * same object where that changes nothing.
   */
  repair(stored: KubeObject): KubeObject;
  /** As repair, of what was just written: only defaults may be missing. */
  complete(written: KubeObject): KubeObject;
}

/** One printer column (what `kubectl get` shows). */
export interface Column<T extends KubeObject = KubeObject> {
  name: string;
  /** OpenAPI type; upstream's columns are mostly `string`. */
  type?: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  format?: string;
  description?: string;
  /** 0: always shown; 1 and more: with `-o wide`. */
  priority?: number;
  /** The cell. `nowMs` is the present, for ages. */
  value(obj: T, nowMs: number): string | number | bigint | boolean | null;
}

/** Where /scale finds its numbers, as dotted paths. */
export interface ScalePaths {
  specReplicas: string;
  statusReplicas: string;
  /** A label selector as a map (`spec.selector` of a ReplicationController) or a LabelSelector; given in string form by /scale. */
  selector: string;
}

/** The rules of a subresource that writes part of the object: status, resize, ephemeralcontainers, approval, ... */
export interface SubresourceStrategy<T extends KubeObject = KubeObject> {
  /** Default: `get`, `patch` and `update`. */
  verbs?: readonly string[];
  /** Keep from `prev` what this subresource may not change. Default for `status`: everything but status and metadata. */
  update?(next: T, prev: T, context: StrategyContext): void;
  /** After `update`, or what stands in its place: what else becomes of the object. */
  adjust?(next: T, prev: T): void;
  validate?(next: T, prev: T, errors: FieldErrors): void;
  /** Warnings for the client's Warning header. */
  warnings?(next: T, prev: T): string[];
  /** Writers of the status don't touch labels, annotations, finalizers and owners either (metav1.ResetObjectMetaForStatus), or only no labels. Default: they may. */
  keepsMetadata?: boolean | 'labels';
  /** What its writers never come to own. Default for `status`: what it keeps from the object as it is. */
  resetFields?: FieldFilter;
}

export interface KindDefinition<T extends KubeObject = KubeObject> {
  /** The storage version, which is also the preferred one. */
  resource: Resource<T>;
  singular?: string;
  /** The kind of its lists, where that is not the kind with `List` behind it. */
  listKind?: string;
  shortNames?: readonly string[];
  categories?: readonly string[];
  /** The storage version is not served, only others are (--runtime-config). */
  storedOnly?: boolean;
  /** Other versions it is served in. */
  versions?: readonly ServedVersion<T>[];
  /** Versions in which it may lie in the store though they are not served. */
  unservedVersions?: readonly ServedVersion<T>[];
  /**
   * The served version that upstream's v1.36 stores it in, where that is not the preferred one: what lies in an etcd is to be read by
   * the release before, too.
   */
  upstreamStorageVersion?: string;
  /** The key below /registry/ before `/NAMESPACE/NAME`; upstream's: `pods`, `minions`, `services/specs`, `deployments`. */
  storagePrefix?: string;
  /**
   * What servers of years ago have stored without, and defaults can't say (upstream: the registry's Decorator). An object whose JSON has
   * the mark lacks nothing.
   */
  older?: { mark: string; complete(object: T): void };
  /** Restricts verbs, e.g. to `['create']` for reviews. */
  verbs?: readonly string[];
  /** Deleting one answers the object as it was, where others answer a Status (upstream's ReturnDeletedObject). */
  answersDeleted?: boolean;
  /** Not stored: `create` answers it (reviews). */
  virtual?: boolean;
  /** What the table's default column can't say. Runs on decode in the storage version. */
  defaults?(obj: T): void;
  /** Name rule; gives the messages of what is wrong. Default: DNS-1123 subdomain. */
  validateName?(name: string, prefix: boolean): string[];
  /** What writers of the object itself never come to own. Default: its status, where that is a subresource. */
  resetFields?: FieldFilter;
  /** Before a create is stored: what clients may not set. Status is dropped by default where `subresources.status` is set, generation set to 1 where `generation` is. */
  create?(obj: T, context: StrategyContext): void;
  /** A create may bring a status along (Nodes that register themselves). */
  keepStatusOnCreate?: boolean;
  /** Before an update is stored. By default status is kept from `prev` where there is a status subresource, and generation is raised when spec changed. */
  update?(next: T, prev: T, context: StrategyContext): void;
  /** Whether metadata.generation counts changes of spec (or, by a function, of what it says). Default: there is a spec and a status subresource. */
  generation?: boolean | ((next: T, prev: T) => boolean);
  /** What upstream says before `validate`, of a create (without `prev`) or an update. */
  validateFirst?(next: T, prev: T | undefined, errors: FieldErrors): void;
  validate?(obj: T, errors: FieldErrors): void;
  /** Beside `validate(obj)`, on create only: what may come later but not at first (a pod's ephemeral containers). */
  validateCreate?(obj: T, errors: FieldErrors): void;
  /** Beside `validate(next)`, which also runs: immutable fields and transitions. */
  validateUpdate?(next: T, prev: T, errors: FieldErrors): void;
  /** Warnings for the client's Warning header, e.g. deprecated fields. */
  warnings?(obj: T, prev: T | undefined): string[];
  /** Why the object of this name can not be deleted; a delete of the collection takes it along all the same, as upstream's does. */
  undeletable?(name: string): string | undefined;
  /**
   * What the first delete makes of the object, which stays: a copy with what the kind itself wants, e.g. a finalizer of its own. The
   * deletionTimestamp is set by then, a grace period is not, and the generation stays (where upstream's storage of the kind does this itself).
   */
  beginDeletion?(obj: T, now: string, options: DeleteOptions): T;
  /** Of a custom resource: what stands in the place of the table's rows. */
  custom?: CustomForm;
  /** A PUT on a name that does not exist creates it (Node leases, endpoints, events, ... as upstream). */
  allowCreateOnUpdate?: boolean;
  /** An update without resourceVersion overwrites. Default true. */
  allowUnconditionalUpdate?: boolean;
  /** Seconds of grace for a delete with the options' value, or undefined for immediate deletion. Pods only, among built-ins. */
  gracePeriodSeconds?(obj: T, requested: number | undefined): number | undefined;
  /** What happens to dependents when the client does not say (`orphan` for ReplicationController in v1 and extensions/v1beta1). */
  defaultPropagation?: 'Orphan' | 'Background';
  /** What one is told who deletes it without saying what happens to its dependents, where these are orphaned then. */
  orphanWarning?: string;
  /** Selectable fields beside metadata.name and metadata.namespace. */
  fieldSelectors?: Record<string, (obj: T) => string>;
  subresources?: {
    status?: boolean | SubresourceStrategy<T>;
    scale?: ScalePaths;
    /** Others that read and write the object itself. */
    [name: string]: boolean | SubresourceStrategy<T> | ScalePaths | undefined;
  };
  /** Printer columns. Default: NAME, AGE. */
  columns?: readonly Column<T>[];
  /** Where columns don't do (a row for every...): makes rows itself. */
  table?(obj: T, nowMs: number): Table['rows'];
  /** What a row says of its object beside the cells. */
  rowConditions?(obj: T): TableRowCondition[] | undefined;
  /** The order of a list's rows, where it is not the list's. */
  compareRows?(a: T, b: T): number;
}

/** Identity with types: a kind's file exports `defineKind<Deployment>({...})`. */
export function defineKind<T extends KubeObject>(definition: KindDefinition<T>): KindDefinition<T> {
  return definition;
}

/** A function that validates part of an object below `path`. */
export type Validator<T> = (value: T, path: FieldPath, errors: FieldErrors) => void;
