import { describe, expect, it } from 'vitest';
import { negotiate } from './accept.ts';

const everything = { protobuf: true, cbor: true };
const table = ';as=Table;g=meta.k8s.io;v=v1';
const metadata = ';as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
const protobufType = 'application/vnd.kubernetes.protobuf';

describe('content negotiation', () => {
  it.each([
    ['', {}, 'application/json'],
    ['*/*', everything, 'application/json'],
    ['application/yaml', {}, 'application/yaml'],
    [`${protobufType},application/json`, {}, 'application/json'],
    [`${protobufType},application/json`, everything, protobufType],
    ['application/cbor,application/json;q=0.9', {}, 'application/json'],
    ['application/cbor,application/json;q=0.9', everything, 'application/cbor'],
    // kubectl's and the metadata informers' wishes.
    [`application/json${table},application/json`, {}, 'application/json'],
    [`${protobufType}${table},application/json${table}`, everything, 'application/json'],
    [`${protobufType}${metadata},application/json${metadata}`, {}, protobufType],
    ['application/yaml,application/json', { stream: true }, 'application/json'],
  ])('%j of %j', (accept, offer, mediaType) => {
    expect(negotiate(accept, offer).mediaType).toBe(mediaType);
  });

  it.each([
    ['text/plain', { protobuf: true }, 'application/json, application/yaml, application/vnd.kubernetes.protobuf'],
    [protobufType, {}, 'application/json, application/yaml'],
    [`${protobufType}${table}`, { protobuf: true }, 'application/json, application/yaml, application/vnd.kubernetes.protobuf'],
    ['text/plain', everything, 'application/json, application/yaml, application/vnd.kubernetes.protobuf, application/cbor'],
    ['application/yaml', { stream: true }, 'application/json;stream=watch'],
    [`application/json${table}`, { table: false }, 'application/json, application/yaml'],
  ])('refuses %j of %j', (accept, offer, types) => {
    expect(() => negotiate(accept, offer)).toThrow(`only the following media types are accepted: ${types}`);
  });
});
