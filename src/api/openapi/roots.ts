/** The documents that tell of the API itself: groups, versions, resources, the server's version. */
import type { OpenApiResource } from './paths.ts';
import { groupId } from './paths.ts';

export interface RootFacts {
  /** `/apis/apps/` */
  path: string;
  /** Where /openapi/v3 has its document. */
  at: string;
  id: string;
  description: string;
  tag: string;
  /** Of the table, or `string`. */
  type: string;
  /** Media types; default: those of every object. */
  types?: readonly string[];
}

const lower = (s: string) => s.charAt(0).toLowerCase() + s.slice(1);
const capital = (s: string) => s.charAt(0).toUpperCase() + s.slice(1);

const always: readonly RootFacts[] = [
  {
    path: '/api/',
    at: 'api',
    id: 'getCoreAPIVersions',
    description: 'get available API versions',
    tag: 'core',
    type: 'meta.v1.APIVersions',
  },
  {
    path: '/apis/',
    at: 'apis',
    id: 'getAPIVersions',
    description: 'get available API versions',
    tag: 'apis',
    type: 'meta.v1.APIGroupList',
  },
  {
    path: '/version/',
    at: 'version',
    id: 'getCodeVersion',
    description: 'get the version information for this server',
    tag: 'version',
    type: 'version.Info',
    types: ['application/json'],
  },
  {
    path: '/.well-known/openid-configuration',
    at: '.well-known/openid-configuration',
    id: 'getServiceAccountIssuerOpenIDConfiguration',
    description: "get service account issuer OpenID configuration, also known as the 'OIDC discovery doc'",
    tag: 'WellKnown',
    type: 'string',
    types: ['application/json'],
  },
  {
    path: '/openid/v1/jwks',
    at: 'openid/v1/jwks',
    id: 'getServiceAccountIssuerOpenIDKeyset',
    description: 'get service account issuer OpenID JSON Web Key Set (contains public token verification keys)',
    tag: 'openid',
    type: 'string',
    types: ['application/jwk-set+json'],
  },
];

/** One for each group and group version of built-in kinds; custom resources' groups have none. */
export function rootsOf(resources: readonly OpenApiResource[]): RootFacts[] {
  const found = new Map<string, RootFacts>(always.map((root) => [root.path, root]));
  for (const { group, version, custom } of resources) {
    if (custom) continue;
    const base = group === '' ? 'api' : `apis/${group}`;
    const tag = lower(groupId(group));
    if (group !== '')
      found.set(`/${base}/`, {
        path: `/${base}/`,
        at: base,
        id: `get${groupId(group)}APIGroup`,
        description: 'get information of a group',
        tag,
        type: 'meta.v1.APIGroup',
      });
    found.set(`/${base}/${version}/`, {
      path: `/${base}/${version}/`,
      at: `${base}/${version}`,
      id: `get${groupId(group)}${capital(version)}APIResources`,
      description: 'get available resources',
      tag: `${tag}_${version}`,
      type: 'meta.v1.APIResourceList',
    });
  }
  return [...found.values()];
}
