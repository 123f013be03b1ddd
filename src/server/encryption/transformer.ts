/**
 * What happens to a value on its way to the store and back (encryption at rest). A list of transformers is told apart by the prefix
 * that each puts before what it has sealed; the first writes, all read.
 */
import { aggregateError } from '../../api/index.ts';
import type { TransformationMetrics } from './metrics.ts';

export interface Opened {
  plain: Buffer;
  /** It would be written otherwise now: by another key, or not at all encrypted. The next update writes it anew. */
  isStale: boolean;
}

export interface Transformer {
  /** `key` is the value's place in the store, which binds it to that place where the cipher can. Throws. */
  seal(plain: Buffer, key: string): Buffer;
  /** A promise only where somebody else has to be asked for the key. Throws, or rejects. */
  open(sealed: Buffer, key: string): Opened | Promise<Opened>;
  /** What seals now, by identity: another one as soon as another key writes. */
  writer(): unknown;
}

export interface PrefixTransformer {
  prefix: string;
  transformer: Transformer;
}

/** How all encrypted values begin. */
const encryptedPrefix = Buffer.from('k8s:enc:');

export const isEncrypted = (value: Buffer): boolean => value.subarray(0, encryptedPrefix.length).equals(encryptedPrefix);

/** Stores values as they are; refuses to take a ciphertext for a value. */
export const identity: Transformer = {
  seal: (plain) => plain,
  open(value) {
    if (isEncrypted(value)) throw new Error('identity transformer tried to read encrypted data');
    return { plain: value, isStale: false };
  },
  writer: () => identity,
};

const asError = (error: unknown) => (error instanceof Error ? error : new Error(String(error)));

/** The transformers in order; `unmatched`: the error's words for a value that has none of their prefixes. */
export function prefixTransformers(
  transformers: readonly [PrefixTransformer, ...PrefixTransformer[]],
  unmatched: string,
  metrics: TransformationMetrics,
): Transformer {
  const [first] = transformers;
  const known = transformers.map(({ prefix, transformer }, index) => ({ prefix: Buffer.from(prefix), name: prefix, transformer, index }));
  const firstPrefix = Buffer.from(first.prefix);

  const openFrom = (start: number, failed: readonly Error[], sealed: Buffer, key: string): Opened | Promise<Opened> => {
    let errors = failed;
    for (const { prefix, name, transformer, index } of known.slice(start)) {
      if (!sealed.subarray(0, prefix.length).equals(prefix)) continue;
      const done = metrics.begin('from_storage', name || 'identity');
      const accept = ({ plain, isStale }: Opened): Opened => {
        done(undefined);
        return { plain, isStale: isStale || index !== 0 };
      };
      // Two entries may have one prefix and different keys: a failure is not the end, and identity's not even an error.
      const refuse = (error: unknown): readonly Error[] => {
        if (prefix.length === 0) return errors;
        done(asError(error));
        return [...errors, asError(error)];
      };
      try {
        const opened = transformer.open(sealed.subarray(prefix.length), key);
        if (opened instanceof Promise) return opened.then(accept, (error) => openFrom(index + 1, refuse(error), sealed, key));
        return accept(opened);
      } catch (error) {
        errors = refuse(error);
      }
    }
    const refusal = aggregateError(errors);
    if (refusal) throw refusal;
    const error = new Error(unmatched);
    metrics.begin('from_storage', 'unknown')(error);
    throw error;
  };

  return {
    seal(plain, key) {
      const done = metrics.begin('to_storage', first.prefix);
      try {
        const sealed = first.transformer.seal(plain, key);
        done(undefined);
        return firstPrefix.length === 0 ? sealed : Buffer.concat([firstPrefix, sealed]);
      } catch (error) {
        done(asError(error));
        throw error;
      }
    },
    open: (sealed, key) => openFrom(0, [], sealed, key),
    writer: () => first.transformer.writer(),
  };
}
