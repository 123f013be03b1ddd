/**
 * The form in which objects lie in the store: JSON or Kubernetes' protobuf (--storage-media-type), custom resources in CBOR where that
 * is spoken. Each is read, in any version that the kind has, so that a store may have been written by an upstream kube-apiserver.
 */
import {
  apiVersionOf,
  applyTableDefaults,
  decodeCbor,
  decodeProtobuf,
  encodeCbor,
  encodeProtobuf,
  type KindDefinition,
  type KubeObject,
  kindNode,
  openEnvelope,
  parseApiVersion,
  parseExactly,
} from '../../api/index.ts';
import { isEncrypted } from '../encryption/transformer.ts';
import { encodeObject } from './cached-object.ts';
import { TransformationError } from './sealed-values.ts';

export const storageMediaTypes = ['application/json', 'application/vnd.kubernetes.protobuf'] as const;
export type StorageMediaType = (typeof storageMediaTypes)[number];

export interface StoredForm {
  /** What the store is to keep of an object, given with its JSON (`encodeObject`). */
  write(object: KubeObject, json: Buffer): Buffer;
  /** The JSON of what lies in the store; not `isCurrent` where it would now be written in another form. Throws DecodeError. */
  read(value: Buffer): { json: Buffer; isCurrent: boolean };
}

/** The object that a plain value of the store holds, in the version in which it does. Throws where it is none. */
export function decodeStored(value: Buffer): KubeObject {
  // What lies in the store is an object that somebody encoded.
  // Who owns what is nested as deep as anything may be is told a little deeper.
  if (isCbor(value)) return decodeCbor(value, () => false) as KubeObject;
  if (!isProtobuf(value)) return parseExactly(value.toString()) as KubeObject;
  const { apiVersion, kind } = openEnvelope(value);
  const node = kindNode({ ...parseApiVersion(apiVersion), kind });
  if (!node) throw new Error(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`);
  return decodeProtobuf(node, value);
}

const letterK = 0x6b;
/** Every value in protobuf begins so: `k8s` and a zero byte. */
const isProtobuf = (value: Buffer) => value[0] === 0x6b && value[1] === 0x38 && value[2] === 0x73 && value[3] === 0;

/** As does every one in CBOR with the tag that says so. */
const isCbor = (value: Buffer) => value[0] === 0xd9 && value[1] === 0xd9 && value[2] === 0xf7;

interface StoredFormOptions {
  mediaType?: StorageMediaType | undefined;
  /** With other API servers, perhaps upstream's of the release before, whose version of the kind is written then. */
  shared?: boolean | undefined;
  /** Whether CBOR is spoken: custom resources are kept in it then. */
  cbor?: boolean | undefined;
}

export function storedForm(kind: KindDefinition, { mediaType, shared = false, cbor = false }: StoredFormOptions = {}): StoredForm {
  const { resource } = kind;
  const node = kindNode(resource);
  const versions = [...(kind.versions ?? []), ...(kind.unservedVersions ?? [])];
  const older = shared ? versions.find((v) => v.resource.version === kind.upstreamStorageVersion) : undefined;
  const written = older?.resource ?? resource;
  const writtenNode = kindNode(written);
  // Definitions of custom resources, too, are JSON in upstream's stores whatever the flag says.
  const inProtobuf =
    mediaType === 'application/vnd.kubernetes.protobuf' && writtenNode !== undefined && resource.group !== 'apiextensions.k8s.io';
  const inCbor = cbor && kind.custom !== undefined;
  /** How our own JSON, and upstream's, begins. */
  const opening = Buffer.from(`{"kind":${JSON.stringify(resource.kind)},"apiVersion":${JSON.stringify(apiVersionOf(resource))},`);

  const withDefaults = (object: KubeObject): KubeObject => {
    if (node) applyTableDefaults(node, object);
    kind.defaults?.(object);
    kind.older?.complete(object);
    return object;
  };
  const storageVersion = (object: KubeObject): KubeObject => {
    if (object.apiVersion === apiVersionOf(resource)) return withDefaults(object);
    const version = versions.find((v) => apiVersionOf(v.resource) === object.apiVersion);
    if (!version) throw new Error(`no kind ${JSON.stringify(object.kind)} is registered for version ${JSON.stringify(object.apiVersion)}`);
    const from = kindNode(version.resource);
    if (from) applyTableDefaults(from, object);
    version.defaults?.(object);
    return withDefaults(version.fromStored?.(object) ?? version.toStorage(object));
  };
  /** What we have written ourselves lacks nothing that defaults give. */
  const isComplete = (value: Buffer) =>
    value.subarray(0, opening.length).equals(opening) && (kind.older === undefined || value.includes(kind.older.mark));

  return {
    write: (object, json) => {
      const given = older?.fromStorage(object) ?? object;
      const node = inProtobuf ? writtenNode : undefined;
      if (!node && !inCbor) return older ? encodeObject(given) : json;
      const { resourceVersion: _, ...metadata } = given.metadata;
      const stored = { ...given, metadata } as KubeObject;
      return Buffer.from(node ? encodeProtobuf(node, stored) : encodeCbor(stored));
    },

    read(value) {
      // There is no encryption configuration, or none for this resource, and there was one.
      if (value[0] === letterK && isEncrypted(value)) throw new TransformationError('identity transformer tried to read encrypted data');
      if (isProtobuf(value)) {
        const object = decodeStored(value);
        const { apiVersion } = object;
        return { json: encodeObject(storageVersion(object)), isCurrent: inProtobuf && apiVersion === apiVersionOf(written) };
      }
      if (isCbor(value)) return { json: encodeObject(decodeStored(value)), isCurrent: inCbor };
      if (kind.custom || isComplete(value)) return { json: value, isCurrent: !inProtobuf && !inCbor && !older };
      const object = decodeStored(value);
      const { apiVersion } = object;
      return { json: encodeObject(storageVersion(object)), isCurrent: !inProtobuf && apiVersion === apiVersionOf(written) };
    },
  };
}
