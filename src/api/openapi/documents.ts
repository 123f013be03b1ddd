/**
 * OpenAPI documents of what a server serves: one in version 3 a group version (`/openapi/v3/apis/apps/v1`), one in version 2 of
 * all (`/openapi/v2`). They are built when first asked for; the caller keeps the result for as long as what is served stays.
 */
import { loadDescriptions } from './descriptions.ts';
import { buildPaths, type OpenApiResource } from './paths.ts';
import { type RootFacts, rootsOf } from './roots.ts';
import { type Json, SchemaBuilder } from './schemas.ts';

const security = {
  BearerToken: { type: 'apiKey', description: 'Bearer Token authentication', name: 'authorization', in: 'header' },
};

const info = (version: string) => ({ title: 'Kubernetes', version });

const byName = (definitions: Record<string, Json>) => Object.fromEntries(Object.entries(definitions).sort(([a], [b]) => (a < b ? -1 : 1)));

export interface DocumentOptions {
  /** As SchemaBuilder's. */
  enums?: boolean;
  /** All there is takes a while: resolves once others have had their turn, where it is theirs. */
  turn?: () => Promise<void> | undefined;
}

/** What a version 3 document tells of: a group version's resources, or nothing but one of the API's own documents. */
export interface OpenApiPart {
  resources: OpenApiResource[];
  roots: RootFacts[];
}

/** All parts by their path in `/openapi/v3`: `api/v1`, `apis/apps`, `apis/apps/v1`, `version`. */
export function openApiV3Parts(resources: readonly OpenApiResource[]): Map<string, OpenApiPart> {
  const parts = new Map<string, OpenApiPart>();
  const partAt = (at: string): OpenApiPart => {
    const part = parts.get(at) ?? { resources: [], roots: [] };
    parts.set(at, part);
    return part;
  };
  for (const root of rootsOf(resources)) partAt(root.at).roots.push(root);
  for (const resource of resources) partAt(openApiV3Path(resource)).resources.push(resource);
  return parts;
}

/** The version 3 document of one part. `version` is the server's, e.g. `v1.36.3`. */
export async function openApiV3({ resources, roots }: OpenApiPart, version: string, options: DocumentOptions = {}): Promise<Json> {
  const schemas = new SchemaBuilder(3, await loadDescriptions(), options);
  const paths = await buildPaths(resources, roots, 3, schemas, options.turn);
  return {
    openapi: '3.0.0',
    info: info(version),
    paths,
    components: {
      ...(Object.keys(schemas.definitions).length > 0 ? { schemas: byName(schemas.definitions) } : {}),
      securitySchemes: security,
    },
  };
}

/** The version 2 document of all that is served. */
export async function openApiV2(resources: readonly OpenApiResource[], version: string, options: DocumentOptions = {}): Promise<Json> {
  const schemas = new SchemaBuilder(2, await loadDescriptions(), options);
  await options.turn?.();
  const paths = await buildPaths(resources, rootsOf(resources), 2, schemas, options.turn);
  return {
    swagger: '2.0',
    info: info(version),
    paths,
    definitions: byName(schemas.definitions),
    securityDefinitions: security,
    security: [{ BearerToken: [] }],
  };
}

/** The path of a group version in `/openapi/v3`'s index: `api/v1`, `apis/apps/v1`. */
export function openApiV3Path(gv: { group: string; version: string }): string {
  return gv.group === '' ? `api/${gv.version}` : `apis/${gv.group}/${gv.version}`;
}
