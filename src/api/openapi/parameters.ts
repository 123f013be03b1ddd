/** The parameters of requests, as OpenAPI tells of them. */
import type { StructNode } from '../schema/node.ts';
import { structNode } from '../schema/table.ts';
import type { Descriptions } from './schemas.ts';

export interface Parameter {
  name: string;
  in: 'query' | 'path';
  type: 'string' | 'boolean' | 'integer';
  description?: string;
}

const query = (name: string, type: Parameter['type'], description?: string): Parameter => ({
  name,
  in: 'query',
  type,
  ...(description === undefined ? {} : { description }),
});

export const pretty = query('pretty', 'string', "If 'true', then the output is pretty printed.");
const dryRun = query('dryRun', 'string', 'When present, indicates that modifications should not be persisted.');
const fieldManager = query('fieldManager', 'string', 'The name associated with the actor or entity that is making these changes.');
const fieldValidation = query(
  'fieldValidation',
  'string',
  'Instructs the server on how to handle objects in the request (POST/PUT/PATCH) containing unknown or duplicate fields: Ignore, Warn or Strict.',
);
export const force = query(
  'force',
  'boolean',
  'Force is going to "force" Apply requests: the user will re-acquire conflicting fields owned by other people.',
);
export const listParameters = [
  query('allowWatchBookmarks', 'boolean', 'Requests watch events with type "BOOKMARK".'),
  query('continue', 'string', 'The continue token of a previous, limited list.'),
  query('fieldSelector', 'string', 'A selector to restrict the list of returned objects by their fields.'),
  query('labelSelector', 'string', 'A selector to restrict the list of returned objects by their labels.'),
  query('limit', 'integer', 'A maximum number of responses to return for a list call.'),
  query('resourceVersion', 'string', 'A constraint on what resource versions a request may be served from.'),
  query('resourceVersionMatch', 'string', 'How resourceVersion is applied to list calls.'),
  query('sendInitialEvents', 'boolean', 'Makes a watch begin with synthetic events that show the present state.'),
  query('timeoutSeconds', 'integer', 'Timeout for the list/watch call.'),
  query('watch', 'boolean', 'Watch for changes to the described resources and return them as a stream of notifications.'),
];
export const deleteParameters = [
  dryRun,
  query('gracePeriodSeconds', 'integer', 'The duration in seconds before the object should be deleted.'),
  query(
    'ignoreStoreReadErrorWithClusterBreakingPotential',
    'boolean',
    "Delete an object that cannot be read from the store, as its kind's feature gate allows.",
  ),
  query('orphanDependents', 'boolean', 'Deprecated: please use the PropagationPolicy.'),
  query('propagationPolicy', 'string', 'Whether and how garbage collection will be performed: Orphan, Background or Foreground.'),
];
export const writeParameters = [dryRun, fieldManager, fieldValidation];

export const namespaceName: Parameter = {
  name: 'namespace',
  in: 'path',
  type: 'string',
  description: 'object name and auth scope, such as for teams and projects',
};
export const objectName = (kind: string): Parameter => ({ name: 'name', in: 'path', type: 'string', description: `name of the ${kind}` });
export const pathRest: Parameter = { name: 'path', in: 'path', type: 'string', description: 'path to the resource' };

const typeMeta = new Set(['kind', 'apiVersion']);
const typeOf = (node: StructNode['fields'][number]['node']): Parameter['type'] =>
  node.kind === 'bool' ? 'boolean' : node.kind === 'int' ? 'integer' : 'string';

/** The options of an endpoint (`core.v1.PodExecOptions`), which come as a query. */
export function optionParameters(typeName: string, descriptions: Descriptions): Parameter[] {
  return structNode(typeName)
    .fields.filter(({ name }) => !typeMeta.has(name))
    .map(({ name, node }) => query(name, typeOf(node), descriptions[typeName]?.[name]))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
