/**
 * What upstream's KMS v2 provider stores: a protobuf message of the ciphertext, and of all that is needed to have its key opened
 * (k8s.io/apiserver's EncryptedObject).
 */

export const keySource = { aesGcmKey: 0, hkdfSha256XnonceAesGcmSeed: 1 } as const;

export interface EncryptedObject {
  encryptedData: Buffer;
  /** Of the key-encryption key, which the KMS holds. */
  keyId: string;
  /** The data-encryption key or its seed, as the KMS has encrypted it. */
  encryptedDekSource: Buffer;
  annotations: Readonly<Record<string, Buffer>>;
  /** One of `keySource`, or a number that is not known here. */
  encryptedDekSourceType: number;
}

/** Fields with a length before them; the only other one is the type, a varint. */
const delimited = 2;
const varint = 0;

function varintBytes(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) | 128);
  }
}

function field(number: number, value: Buffer): Buffer {
  return value.length === 0 ? value : entry(number, value);
}

function entry(number: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.of((number << 3) | delimited), varintBytes(value.length), value]);
}

export function encodeEncryptedObject(object: EncryptedObject): Buffer {
  const annotations = Object.keys(object.annotations)
    .sort()
    .map((name) => entry(4, Buffer.concat([entry(1, Buffer.from(name)), entry(2, object.annotations[name] ?? Buffer.alloc(0))])));
  const type = object.encryptedDekSourceType;
  return Buffer.concat([
    field(1, object.encryptedData),
    field(2, Buffer.from(object.keyId)),
    field(3, object.encryptedDekSource),
    ...annotations,
    ...(type === 0 ? [] : [Buffer.of((5 << 3) | varint), varintBytes(type)]),
  ]);
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  varint(): number {
    let value = 0;
    for (let scale = 1; scale < 2 ** 64; scale *= 128) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new Error('unexpected EOF');
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    throw new Error('variable length integer overflow');
  }

  take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new Error('unexpected EOF');
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  skip(wireType: number): void {
    if (wireType === varint) this.varint();
    else if (wireType === delimited) this.take(this.varint());
    else if (wireType === 1) this.take(8);
    else if (wireType === 5) this.take(4);
    else throw new Error('cannot parse reserved wire type');
  }
}

/** The fields of a message in order, those with a length as bytes. */
function* fieldsOf(bytes: Buffer): Generator<{ number: number; bytes: Buffer; value: number }> {
  const reader = new Reader(bytes);
  while (!reader.done) {
    const tag = reader.varint();
    const number = Math.floor(tag / 8);
    const wireType = tag % 8;
    if (number === 0) throw new Error('invalid field number');
    if (wireType === delimited) yield { number, bytes: reader.take(reader.varint()), value: 0 };
    else if (wireType === varint) yield { number, bytes: Buffer.alloc(0), value: reader.varint() };
    else reader.skip(wireType);
  }
}

/** Throws for what is no such message. */
export function decodeEncryptedObject(bytes: Buffer): EncryptedObject {
  const none: Buffer = Buffer.alloc(0);
  const annotations: Record<string, Buffer> = {};
  const object = { encryptedData: none, keyId: '', encryptedDekSource: none, annotations, encryptedDekSourceType: 0 };
  try {
    for (const found of fieldsOf(bytes)) {
      if (found.number === 1) object.encryptedData = found.bytes;
      else if (found.number === 2) object.keyId = found.bytes.toString();
      else if (found.number === 3) object.encryptedDekSource = found.bytes;
      else if (found.number === 5) object.encryptedDekSourceType = found.value;
      else if (found.number === 4) {
        let name = '';
        let value: Buffer = none;
        for (const part of fieldsOf(found.bytes)) {
          if (part.number === 1) name = part.bytes.toString();
          else if (part.number === 2) value = part.bytes;
        }
        annotations[name] = value;
      }
    }
  } catch (error) {
    throw new Error(`proto: cannot parse invalid wire-format data: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  return object;
}

const maxKeyIdBytes = 1024;
const maxDekSourceBytes = 1024;
const maxAnnotationsBytes = 32 * 1024;
/** RFC 1123: labels of letters, digits and dashes; at least two. */
const qualifiedName = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$/;

/** What is wrong with a key's id, in upstream's code and words. */
export function keyIdProblem(keyId: string): { code: 'empty' | 'too_long'; message: string } | undefined {
  if (keyId === '') return { code: 'empty', message: 'keyID is empty' };
  const length = Buffer.byteLength(keyId);
  if (length <= maxKeyIdBytes) return undefined;
  return { code: 'too_long', message: `keyID is ${length} bytes, which exceeds the max size of ${maxKeyIdBytes}` };
}

/** Throws in upstream's words. */
export function validateEncryptedObject(object: EncryptedObject): void {
  const type = object.encryptedDekSourceType;
  if (type !== keySource.aesGcmKey && type !== keySource.hkdfSha256XnonceAesGcmSeed)
    throw new Error(`unknown encryptedDEKSourceType: ${type}`);
  if (object.encryptedData.length === 0) throw new Error('encrypted data is empty');
  const { length } = object.encryptedDekSource;
  if (length === 0) throw new Error('failed to validate encrypted DEK source: encrypted DEK source is empty');
  if (length > maxDekSourceBytes)
    throw new Error(
      `failed to validate encrypted DEK source: encrypted DEK source is ${length} bytes, which exceeds the max size of ${maxDekSourceBytes}`,
    );
  const keyId = keyIdProblem(object.keyId);
  if (keyId) throw new Error(`failed to validate key id: ${keyId.message}`);
  let total = 0;
  for (const [name, value] of Object.entries(object.annotations)) {
    total += Buffer.byteLength(name) + value.length;
    if (name === '') throw new Error('failed to validate annotations: annotations: Required value');
    if (!qualifiedName.test(name))
      throw new Error(
        `failed to validate annotations: annotations: Invalid value: ${JSON.stringify(name)}: should be a domain with at least two segments separated by dots`,
      );
  }
  if (total > maxAnnotationsBytes)
    throw new Error(
      `failed to validate annotations: total size of annotations is ${total}, which exceeds the max size of ${maxAnnotationsBytes}`,
    );
}

/** The same for all objects whose key is the same. */
export function keyOf({ encryptedDekSourceType, encryptedDekSource, keyId, annotations }: EncryptedObject): string {
  const noted = Object.entries(annotations).map(([name, value]) => [name, value.toString('base64')]);
  return JSON.stringify([encryptedDekSourceType, encryptedDekSource.toString('base64'), keyId, noted.sort()]);
}
