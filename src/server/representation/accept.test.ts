import { describe, expect, it } from 'vitest';
import { negotiate } from './accept.ts';

const everything = { protobuf: true, cbor: true };
const table = ';as=Table;g=meta.k8s.io;v=v1';
const metadata = ';as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
const protobufType = 'application/vnd.kubernetes.protobuf';
const known = `application/json, application/yaml, ${protobufType}`;
const streams = `application/json;stream=watch, ${protobufType};stream=watch`;

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
    ['application/json;stream=watch', { stream: true }, 'application/json'],
  ])('%j of %j', (accept, offer, mediaType) => {
    expect(negotiate(accept, offer).mediaType).toBe(mediaType);
  });

  it.each([
    ['text/plain', { protobuf: true }, known],
    [protobufType, {}, known],
    ['application/json;g=meta.k8s.io;v=v1', everything, `${known}, application/cbor`],
    ['application/json;stream=other', {}, known],
    ['application/json;sv=1', {}, known],
    ['text/plain', { stream: true }, known],
    // The first that is known, though there is no watch in it.
    ['application/yaml,application/json', { stream: true }, streams],
    [`${protobufType}${table}`, { protobuf: true }, known],
    ['text/plain', everything, `${known}, application/cbor`],
    ['application/yaml', { stream: true, cbor: true }, `${streams}, application/cbor-seq`],
    [`application/json${table}`, { table: false }, known],
  ])('refuses %j of %j', (accept, offer, types) => {
    expect(() => negotiate(accept, offer)).toThrow(`only the following media types are accepted: ${types}`);
  });
});
