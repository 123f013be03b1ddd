import { describe, expect, it } from 'vitest';
import { convertDocuments, type FileFormat } from './documents.ts';

const text = new TextEncoder();
const show = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const convert = (input: string, to: FileFormat = 'json', toVersion?: string) =>
  show(convertDocuments(text.encode(input), { to, toVersion }));

const old = `apiVersion: extensions/v1beta1
kind: Deployment
metadata: {name: web}
spec:
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: nginx}]}}
`;

describe('converting files of objects', () => {
  it('writes another version with what the old one meant', () => {
    expect(JSON.parse(convert(old, 'json', 'apps/v1'))).toMatchObject({
      apiVersion: 'apps/v1',
      spec: { replicas: 1, selector: { matchLabels: { app: 'web' } }, strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } } },
    });
  });

  it('reads what it wrote, in every encoding', () => {
    const json = convert(old);
    for (const format of ['json', 'yaml', 'protobuf'] as const) {
      const there = convertDocuments(text.encode(json), { to: format });
      expect(show(convertDocuments(there, { to: 'json' }))).toBe(json);
    }
  });

  it('takes several documents, and Lists as their items', () => {
    const map = (name: string) => `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"${name}"}}`;
    expect(convert(`---\n${map('a')}\n---\n---\n${map('b')}\n`, 'yaml').split('---\n')).toHaveLength(2);
    expect(convert(`${map('a')} ${map('b')}`, 'yaml').split('---\n')).toHaveLength(2);
    expect(convert(`{"apiVersion":"v1","kind":"List","items":[${map('a')},${map('b')}]}`, 'yaml').split('---\n')).toHaveLength(2);
  });

  it.each([
    [
      `${old}---\n${old.replace('template', 'templat')}`,
      'json',
      undefined,
      'document 2 (extensions/v1beta1 Deployment "web"): unknown field "spec.templat"',
    ],
    [
      old,
      'json',
      'batch/v1',
      'document 1 (extensions/v1beta1 Deployment "web"): Deployment is not known in version "batch/v1", only in apps/v1',
    ],
    ['{"kind":"Pod"}', 'json', undefined, 'document 1 ( Pod): apiVersion: Required value: it says what the document is'],
    ['{"apiVersion":"v1",}', 'json', undefined, "document 1: invalid character '}' looking for beginning of object key string"],
    ['a: 1\n b: 2', 'json', undefined, 'document 1: line 1, column 4: '],
    ['', 'json', undefined, 'there is no document'],
    [`${old}---\n${old}`, 'protobuf', undefined, 'protobuf holds one document, and there are 2'],
    [
      '{"apiVersion":"a.example/v1","kind":"Thing"}',
      'protobuf',
      undefined,
      'document 1 (a.example/v1 Thing): this kind has no protobuf form',
    ],
    [
      '{"apiVersion":"v1","kind":"Secret","data":{"a":"*"}}',
      'json',
      undefined,
      'document 1 (v1 Secret): illegal base64 data at input byte 0',
    ],
  ] as const)('says what is wrong with %j as %s', (input, to, toVersion, message) => {
    expect(() => convert(input, to, toVersion)).toThrow(message);
  });
});
