/** Configuration files of apiserver.config.k8s.io, read strictly as kube-apiserver reads them. */
import { parse } from 'yaml';
import { FieldPath, isJsonObject, type JsonObject, yamlOptions } from '../api/index.ts';

const versions = ['v1', 'v1beta1', 'v1alpha1'].map((version) => `apiserver.config.k8s.io/${version}`);

/** The fields that there are, by their place (`authorizers.webhook`; the document's own is ''), whether of one object or of a list's items. */
export type KnownFields = Readonly<Record<string, readonly string[]>>;

export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
export const objectOf = (value: unknown): JsonObject => (isJsonObject(value) ? value : {});
export const listOf = (value: unknown): JsonObject[] => (Array.isArray(value) ? value.map(objectOf) : []);

function unknownFields(fields: KnownFields, value: unknown, place: string, path: FieldPath): string[] {
  const known = fields[place];
  if (Array.isArray(value)) return value.flatMap((item, i) => unknownFields(fields, item, place, path.index(i)));
  if (!known || !isJsonObject(value)) return [];
  return Object.entries(value).flatMap(([name, item]) =>
    known.includes(name)
      ? unknownFields(fields, item, place === '' ? name : `${place}.${name}`, path.child(name))
      : [`unknown field ${JSON.stringify(path.child(name).toString())}`],
  );
}

/** Makes the error of why a document is none, in upstream's words. */
type Failed = (why: string) => Error;

export function parseYaml(text: string, failed: Failed): unknown {
  try {
    return parse(text, yamlOptions);
  } catch (error) {
    throw failed(error instanceof Error ? error.message : String(error));
  }
}

/** Throws where the document is of another kind or version, or has fields that there are not. */
export function checkConfiguration(document: unknown, kind: string, fields: KnownFields, failed: Failed): void {
  const { kind: given = '', apiVersion = '' } = objectOf(document);
  if (given === '') throw failed(`Object 'Kind' is missing in '${JSON.stringify(document)}'`);
  if (apiVersion === '') throw failed(`Object 'apiVersion' is missing in '${JSON.stringify(document)}'`);
  if (given !== kind || !versions.includes(String(apiVersion)))
    throw failed(`no kind ${JSON.stringify(given)} is registered for version ${JSON.stringify(apiVersion)}`);
  const unknown = unknownFields(fields, document, '', new FieldPath());
  if (unknown.length > 0) throw failed(`strict decoding error: ${unknown.join(', ')}`);
}

/** The document of a kind. */
export function parseConfiguration(text: string, kind: string, fields: KnownFields, failed: Failed): JsonObject {
  const document = parseYaml(text, failed);
  checkConfiguration(document, kind, fields, failed);
  return objectOf(document);
}
