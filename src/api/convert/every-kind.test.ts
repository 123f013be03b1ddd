import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeCbor } from '../cbor/decode.ts';
import { encodeCbor } from '../cbor/encode.ts';
import { decodeValue } from '../decode.ts';
import { semanticEqual } from '../equality.ts';
import { resourcesText } from '../generated/table.ts';
import { kinds } from '../kinds.ts';
import { decodeProtobuf } from '../protobuf/decode.ts';
import { encodeProtobuf } from '../protobuf/encode.ts';
import { apiVersionOf, type KubeObject } from '../resource.ts';
import { parseResources } from '../schema/parse.ts';
import { kindNode } from '../schema/table.ts';
import { resourcesOf } from '../serving.ts';
import { fullObject } from '../testing/full-object.ts';
import { checkDocument } from './convert-object.ts';

const all = parseResources(resourcesText).map((resource) => ({ name: `${apiVersionOf(resource)} ${resource.kind}`, resource }));

const golden = new URL('../../../../shared/golden/', import.meta.url);
const files = existsSync(golden) ? readdirSync(golden).filter((f) => f.endsWith('.json')) : [];

describe('every kind', () => {
  it.each(all)('$name is the same through JSON, protobuf and CBOR', ({ resource }) => {
    const node = kindNode(resource);
    if (!node) throw new Error('it is not in the table');
    const made = { ...fullObject(node), apiVersion: apiVersionOf(resource), kind: resource.kind };
    const object = decodeValue(node, made) as KubeObject;
    expect(checkDocument(JSON.parse(JSON.stringify(object)))).toEqual(object);
    const bytes = encodeProtobuf(node, object);
    expect(semanticEqual(decodeProtobuf(node, bytes), object)).toBe(true);
    expect(Buffer.from(encodeProtobuf(node, decodeProtobuf(node, bytes))).equals(Buffer.from(bytes))).toBe(true);
    expect(decodeCbor(encodeCbor(object, node))).toEqual(object);
  });

  // What others serve (kubelets, metrics servers) or call (image policies), and what is only ever part of another kind's path.
  const elsewhere = new Set(['ImageReview', 'NodeMetrics', 'PodMetrics', 'Eviction', 'Scale']);

  it('is served', () => {
    const served = new Set(kinds.flatMap(resourcesOf).map((r) => `${apiVersionOf(r)} ${r.kind} ${r.plural}`));
    const missing = all.filter(({ resource: r }) => !served.has(`${apiVersionOf(r)} ${r.kind} ${r.plural}`) && !elsewhere.has(r.kind));
    expect(missing.map(({ name }) => name)).toEqual([]);
  });
});

describe.skipIf(files.length === 0)('golden objects of upstream (skipped where ../shared/golden is absent)', () => {
  it.each(files)('%s comes back from JSON and CBOR as it was', (file) => {
    const object = JSON.parse(readFileSync(new URL(file, golden), 'utf8')) as KubeObject;
    const { group, version } = { group: object.apiVersion.split('/').at(-2) ?? '', version: object.apiVersion.split('/').at(-1) ?? '' };
    const node = kindNode({ group, version, kind: object.kind });
    if (!node) throw new Error(`no type for ${file}`);
    expect(semanticEqual(checkDocument(object), object)).toBe(true);
    expect(decodeCbor(encodeCbor(object, node))).toEqual(object);
  });
});
