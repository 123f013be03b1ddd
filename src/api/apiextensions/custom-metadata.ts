/** Metadata of custom resources and of objects within them: their schemas say nothing of it. */
import { decodeValue } from '../decode.ts';
import type { ObjectMeta } from '../generated/meta.v1.ts';
import { isJsonObject } from '../json-object.ts';
import { DecodeError } from '../json-text.ts';
import { structNode } from '../schema/table.ts';

export interface MetadataRules {
  /** Gets the paths of what metadata has no field for. */
  unknown: string[];
  /** What lies in the store is read as well as it can be: fields of wrong types are left out. */
  dropsInvalid?: boolean;
}

/** A private copy; `path`: where it is. Throws DecodeError. */
export function decodeMetadata(value: unknown, path: string, { unknown, dropsInvalid = false }: MetadataRules): ObjectMeta {
  const node = structNode('meta.v1.ObjectMeta');
  const paths: string[] = [];
  // Decoded by its own type.
  const decode = (given: unknown) => decodeValue(node, given, paths) as ObjectMeta;
  const noted = (metadata: ObjectMeta): ObjectMeta => {
    unknown.push(...paths.map((name) => `${path}.${name}`));
    return metadata;
  };
  try {
    return noted(decode(value));
  } catch (error) {
    if (!(error instanceof DecodeError) || !dropsInvalid) throw error;
  }
  const valid = Object.entries(isJsonObject(value) ? value : {}).filter(([field, given]) => {
    try {
      decode({ [field]: given });
      return true;
    } catch (error) {
      if (error instanceof DecodeError) return false;
      throw error;
    }
  });
  paths.length = 0;
  return noted(decode(Object.fromEntries(valid)));
}
