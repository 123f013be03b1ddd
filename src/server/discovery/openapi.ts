/** /openapi/v2 and /openapi/v3, built when first asked for and kept until what is served changes. */
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import {
  encodeOpenApiV2,
  encodeOpenApiV3,
  errors,
  mergeOpenApiV2,
  type OpenApiResource,
  openApiV2,
  openApiV3,
  openApiV3Parts,
  openApiV3Path,
  type RemoteDocument,
} from '../../api/index.ts';
import type { Clock } from '../../time/index.ts';
import type { Aggregation, RemoteVersion } from '../aggregation/index.ts';
import type { Answer, RequestContext } from '../exchange.ts';
import type { OpenApiMetrics } from '../metrics/open-api-metrics.ts';
import { notFound } from '../registry/dispatch.ts';
import type { SubresourceHandler } from '../registry/resource-handler.ts';
import { listKindOf, nodeOf, type ResourceTable } from '../registry/served-resource.ts';
import { parseAccept } from '../representation/accept.ts';
import { subresourcesOf, verbsOf } from './resource-facts.ts';

interface Built {
  contentType: string;
  body: string | Uint8Array;
  etag: string;
}

const jsonType = 'application/json';
/** What clients ask for, and, without the @ that media types may not hold, what they are answered; by OpenAPI's version. */
const protobufTypes = { 2: protobufOf('v2'), 3: protobufOf('v3') };

function protobufOf(version: string): { asked: string[]; answered: string } {
  const answered = `application/com.github.proto-openapi.spec.${version}.v1.0+protobuf`;
  return { asked: [`application/com.github.proto-openapi.spec.${version}@v1.0+protobuf`, answered], answered };
}

const sha512 = (data: string | Uint8Array) => createHash('sha512').update(data).digest('hex').toUpperCase();
/** How long what is known by its hash may be kept. */
const yearMs = 365 * 24 * 3600 * 1000;
const longestSliceMs = 10;

const built = (contentType: string, body: string | Uint8Array): Built => ({
  contentType,
  body,
  etag: sha512(body),
});

/** As Go's http.Redirect answers. */
const movedTo = (location: string): Answer => ({
  type: 'raw',
  status: 301,
  contentType: 'text/html; charset=utf-8',
  body: `<a href="${location}">Moved Permanently</a>.\n\n`,
  headers: { location },
});

/** The first media type of the Accept header that a document can be given in. */
function wanted(accept: string, protobuf: { asked: string[]; answered: string }): 'json' | 'protobuf' {
  const asked = parseAccept(accept).map(({ type }) => type);
  if (asked.length === 0) return 'json';
  for (const type of asked) {
    if (type === jsonType || type === '*/*' || type === 'application/*') return 'json';
    if (protobuf.asked.includes(type)) return 'protobuf';
  }
  throw errors.notAcceptable([jsonType, protobuf.answered]);
}

export interface OpenApiOptions {
  table: ResourceTable;
  handlers: readonly SubresourceHandler[];
  clock: Clock;
  /** The server's, e.g. `v1.36.0+k8ts`. */
  version: string;
  /** Which values a text may have is told (OpenAPIEnums). Default: it is. */
  enums?: boolean | undefined;
  /** What other servers serve in this one's name, where there are such. */
  aggregation(): Aggregation | undefined;
  metrics?: OpenApiMetrics | undefined;
}

/** What a server that is down would add is left out until it is back. */
async function remoteDocument(remote: RemoteVersion): Promise<RemoteDocument> {
  const { group, version } = remote;
  const prefix = group === '' ? `/api/${version}/` : `/apis/${group}/${version}/`;
  const document = remote.available ? await remote.openApiV2().catch(() => undefined) : undefined;
  return { prefix, document };
}

export function createOpenApi({
  table,
  handlers,
  clock,
  version,
  enums = true,
  aggregation,
  metrics,
}: OpenApiOptions): (context: RequestContext) => Promise<Answer | undefined> {
  let generation = '';
  let isFirst = true;
  const documents = new Map<string, Promise<Built>>();

  const resources = (): OpenApiResource[] =>
    [...table.all()]
      // Custom resources bring their schemas with them; without one there is nothing to tell.
      .filter((served) => (served.storage !== undefined || served.kind.virtual === true) && nodeOf(served) !== undefined)
      .map((served) => ({
        group: served.resource.group,
        version: served.resource.version,
        kind: served.resource.kind,
        listKind: listKindOf(served),
        plural: served.resource.plural,
        namespaced: served.resource.namespaced,
        verbs: verbsOf(served, handlers),
        answersDeleted: served.kind.answersDeleted === true,
        subresources: subresourcesOf(served, handlers),
        ...(served.custom ? { custom: { schema: served.custom.schema, selectableFields: served.custom.selectableFields } } : {}),
      }));

  const document = (path: string, make: () => Promise<Built>): Promise<Built> => {
    let known = documents.get(path);
    if (known === undefined) {
      known = make();
      documents.set(path, known);
      // What could not be made is tried again by the next who asks.
      known.catch(() => documents.delete(path));
    }
    return known;
  };

  let sliceMs = 0;
  /** Building documents takes longer than what comes in meanwhile should wait. */
  const turn = (): Promise<void> | undefined => {
    if (clock.monotonic() - sliceMs < longestSliceMs) return undefined;
    return setImmediate().then(() => {
      sliceMs = clock.monotonic();
    });
  };
  const json = async (made: Promise<object>) => {
    const whole = await made;
    await turn();
    const text = JSON.stringify(whole);
    await turn();
    return built(jsonType, text);
  };

  const answer = ({ contentType, body, etag }: Built, context: RequestContext): Answer => {
    const forever = { 'cache-control': 'public, immutable', expires: new Date(clock.now() + yearMs).toUTCString() };
    const headers = { etag: `"${etag}"`, vary: 'Accept', ...(context.query.has('hash') ? forever : {}) };
    if (context.header('if-none-match') === `"${etag}"`) return { type: 'raw', status: 304, contentType, body: '', headers };
    return { type: 'raw', status: 200, contentType, body, headers };
  };

  const hashOf = (part: unknown) => sha512(JSON.stringify([version, part]));

  return async (context) => {
    const path = context.path.replace(/^\/+|\/+$/g, '');
    if (!path.startsWith('openapi/')) return undefined;
    const present = `${table.generation} ${aggregation()?.generation ?? ''}`;
    if (generation !== present) {
      documents.clear();
      generation = present;
    }
    const remotes = [...(aggregation()?.remotes() ?? [])];
    const isRemote = ({ group, version: v }: OpenApiResource) => remotes.some((r) => r.group === group && r.version === v);
    // Of the documents of version 3 the list is JSON, whoever asks.
    const encoding = path === 'openapi/v3' ? 'json' : wanted(context.accept, protobufTypes[path === 'openapi/v2' ? 2 : 3]);
    if (path === 'openapi/v2') {
      const v2 = async () => {
        const startedMs = clock.monotonic();
        const own = await openApiV2(
          resources().filter((r) => !isRemote(r)),
          version,
          { enums, turn },
        );
        await turn();
        const whole = mergeOpenApiV2(own, await Promise.all(remotes.map(remoteDocument)));
        metrics?.made(isFirst ? 'startup' : 'update', (clock.monotonic() - startedMs) / 1000);
        isFirst = false;
        return whole;
      };
      if (encoding === 'json') return answer(await document(path, () => json(v2())), context);
      return answer(await document(`${path} protobuf`, async () => built(protobufTypes[2].answered, encodeOpenApiV2(await v2()))), context);
    }
    const all = resources().filter((r) => !isRemote(r));
    const byPath = openApiV3Parts(all);
    if (path === 'openapi/v3') {
      const paths: Record<string, { serverRelativeURL: string }> = {};
      for (const [at, part] of byPath) {
        // Documents are made one by one: clients ask for few of them, by a hash of what they depend on.
        paths[at] = { serverRelativeURL: `/openapi/v3/${at}?hash=${hashOf(part)}` };
      }
      for (const remote of remotes)
        if (remote.openApiV3 !== undefined) paths[openApiV3Path(remote)] = { serverRelativeURL: remote.openApiV3 };
      return answer(built(jsonType, JSON.stringify({ paths })), context);
    }
    const at = path.slice('openapi/v3/'.length);
    const part = byPath.get(at);
    if (part === undefined) throw notFound();
    const hash = context.query.get('hash');
    if (hash && hash !== hashOf(part)) return movedTo(`/openapi/v3/${at}?hash=${hashOf(part)}`);
    const v3 = () => openApiV3(part, version, { enums, turn });
    if (encoding === 'json') return answer(await document(path, () => json(v3())), context);
    return answer(await document(`${path} protobuf`, async () => built(protobufTypes[3].answered, encodeOpenApiV3(await v3()))), context);
  };
}
