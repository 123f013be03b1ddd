/** What schemas from before they had to be structural mean: types that are only implied, and, unless said otherwise, whatever fields there are. */
import type { CustomResourceDefinitionSpec, JSONSchemaProps } from '../generated/apiextensions.v1.ts';
import { isJsonObject } from '../json-object.ts';

/** A schema of today: with the types that an old one only implies, and with unknown fields kept everywhere if they were to be. */
export function impliedStructure(schema: JSONSchemaProps, preserve: boolean): JSONSchemaProps {
  const out: JSONSchemaProps = { ...schema };
  const below = (s: JSONSchemaProps) => impliedStructure(s, preserve);
  if (!out.type && !out['x-kubernetes-int-or-string']) {
    if (out.properties || out.additionalProperties !== undefined) out.type = 'object';
    else if (out.items) out.type = 'array';
  }
  if (out.properties) out.properties = Object.fromEntries(Object.entries(out.properties).map(([name, s]) => [name, below(s)]));
  if (isJsonObject(out.items)) out.items = below(out.items as JSONSchemaProps);
  if (isJsonObject(out.additionalProperties)) out.additionalProperties = below(out.additionalProperties as JSONSchemaProps);
  const isOpen = !out.type ? !out['x-kubernetes-int-or-string'] : out.type === 'object' && out.additionalProperties === undefined;
  if (isOpen && (preserve || !out.type)) out['x-kubernetes-preserve-unknown-fields'] = true;
  return out;
}

/** What a definition is served by: of one that keeps what it does not know, with schemas that say so. */
export function effectiveSpec(spec: CustomResourceDefinitionSpec): CustomResourceDefinitionSpec {
  if (!spec.preserveUnknownFields) return spec;
  const versions = spec.versions.map((version) => {
    const openAPIV3Schema = impliedStructure({ type: 'object', ...version.schema?.openAPIV3Schema }, true);
    return { ...version, schema: { openAPIV3Schema } };
  });
  return { ...spec, versions };
}
