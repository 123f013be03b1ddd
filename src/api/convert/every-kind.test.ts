import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeCbor } from '../cbor/decode.ts';
import { encodeCbor } from '../cbor/encode.ts';
import { decodeValue } from '../decode.ts';
import { semanticEqual } from '../equality.ts';
import { resourcesText } from '../generated/table.ts';
import { parseJson } from '../json-text.ts';
import { kinds } from '../kinds.ts';
import { decodeProtobuf } from '../protobuf/decode.ts';
import { encodeProtobuf } from '../protobuf/encode.ts';
import { apiVersionOf, type KubeObject } from '../resource.ts';
import { parseResources } from '../schema/parse.ts';
import { kindNode } from '../schema/table.ts';
import { resourcesOf } from '../serving.ts';
import { fullObject } from '../testing/full-object.ts';
import { RandomValues } from '../testing/random-object.ts';
import { checkDocument } from './convert-object.ts';

const all = parseResources(resourcesText).map((resource) => ({ name: `${apiVersionOf(resource)} ${resource.kind}`, resource }));

/** Random objects of each kind; more by command. */
const rounds = Number(process.env.K8TS_ROUND_TRIPS ?? 2);

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

  it('is the same whatever it holds, read twice and through each encoding', () => {
    for (const [i, { name, resource }] of all.entries()) {
      const node = kindNode(resource);
      if (!node) throw new Error(`${name} is not in the table`);
      for (let round = 0; round < rounds; round++) {
        const head = { apiVersion: apiVersionOf(resource), kind: resource.kind };
        const made = { ...new RandomValues(i * 1000 + round).object(node), ...head };
        const object = decodeValue(node, made) as KubeObject;
        const label = `${name}, round ${round}`;
        expect(decodeValue(node, object), label).toEqual(object);
        expect(checkDocument(parseJson(JSON.stringify(object)).value), label).toEqual(object);
        expect(decodeValue(node, decodeCbor(encodeCbor(object, node))), label).toEqual(object);
        const bytes = encodeProtobuf(node, object);
        const back = decodeProtobuf(node, bytes);
        expect(semanticEqual(back, object), label).toBe(true);
        expect(Buffer.from(encodeProtobuf(node, back)).equals(Buffer.from(bytes)), label).toBe(true);
      }
    }
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
