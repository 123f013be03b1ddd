import { existsSync, readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeValue } from './decode.ts';
import { decodeJson } from './decode-object.ts';
import { applyTableDefaults } from './defaulting.ts';
import { DecodeError, parseJson } from './json-text.ts';
import { kindNode, schemaResources, structNode, typeNode } from './schema/table.ts';
import { StatusError } from './status-error.ts';

const deployment = { group: 'apps', version: 'v1', kind: 'Deployment' };
const body = (spec: unknown, more = {}) =>
  JSON.stringify({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' }, spec, ...more });

describe('decoding', () => {
  it('says in Go words what has the wrong type', () => {
    expect(() => decodeJson(body({ replicas: 'three' }), deployment)).toThrow(
      'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
    );
    expect(() => decodeJson(body({ template: { spec: { containers: [{ image: 7 }] } } }), deployment)).toThrow(
      'json: cannot unmarshal number into Go struct field Container.spec.template.spec.containers.image of type string',
    );
    expect(() => decodeJson(body({ replicas: 1.5 }), deployment)).toThrow(
      'cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32',
    );
    expect(() => decodeJson(body({ template: { spec: { containers: {} } } }), deployment)).toThrow(
      'json: cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container',
    );
    // What is embedded has its place in the path.
    const pod = { group: '', version: 'v1', kind: 'Pod' };
    expect(() => decodeJson('{"spec":{"volumes":[{"csi":{"readOnly":"x"}}]}}', pod)).toThrow(
      'json: cannot unmarshal string into Go struct field CSIVolumeSource.spec.volumes.VolumeSource.csi.readOnly of type bool',
    );
    expect(() => decodeJson('[]', deployment)).toThrow('json: cannot unmarshal array into Go value of type v1.Deployment');
    expect(() => decodeJson(body({}, { metadata: { labels: { a: 1 } } }), deployment)).toThrow(
      'json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string',
    );
  });

  it.each([
    // A number's text counts.
    ['{"spec":{"replicas":1.0}}', 'number 1.0 into Go struct field DeploymentSpec.spec.replicas of type int32'],
    ['{"spec":{"replicas":1e400}}', 'number 1e400 into Go struct field DeploymentSpec.spec.replicas of type int32'],
    ['{"spec":{"strategy":{"rollingUpdate":{"maxSurge":2147483648}}}}', 'number 2147483648 into Go struct field RollingUpdateDeployment.'],
    // The first of the text, unless there is something that ends the reading.
    ['{"status":{"replicas":"a"},"spec":{"replicas":"b"}}', 'string into Go struct field DeploymentStatus.status.replicas of type int32'],
    [
      '{"spec":{"replicas":"a"},"metadata":{"creationTimestamp":"b"}}',
      'parsing time "b" as "2006-01-02T15:04:05Z07:00": cannot parse "b" as "2006"',
    ],
    ['{"metadata":{"creationTimestamp":[]}}', 'array into Go struct field ObjectMeta.metadata.creationTimestamp of type string'],
  ])('%s: %s', (text, message) => {
    expect(() => decodeJson(text, deployment)).toThrow(message);
  });

  it('looks for repeated keys only in what the type knows', () => {
    const text = '{"metadata":{"managedFields":[{"fieldsV1":{"a":{},"a":{}}}]},"spec":{"foo":{"a":1,"a":2},"replicas":1,"replicas":2}}';
    expect(decodeJson(text, deployment).warnings).toEqual(['unknown field "spec.foo"', 'duplicate field "spec.replicas"']);
  });

  it('puts replacement characters for halves of pairs', () => {
    const { object } = decodeJson('{"metadata":{"labels":{"a":"\\ud83d","b":"\\ud83d\\ude00"}}}', deployment);
    expect(object.metadata.labels).toEqual({ a: '\ufffd', b: '😀' });
  });

  it('reports unknown and duplicate fields as fieldValidation asks', () => {
    const text = '{"metadata":{"name":"a","name":"b"},"spec":{"foo":1,"template":{"spec":{"containers":[{"name":"x","imge":"y"}]}}}}';
    const strict = 'duplicate field "metadata.name", unknown field "spec.foo", unknown field "spec.template.spec.containers[0].imge"';
    expect(() => decodeJson(text, deployment, { fieldValidation: 'Strict' })).toThrow(
      expect.objectContaining({ message: expect.stringContaining(`strict decoding error: `), code: 400 }),
    );
    const { object, warnings } = decodeJson(text, deployment);
    expect(warnings.join(', ').split(', ').sort()).toEqual(strict.split(', ').sort());
    expect(object.metadata.name).toBe('b');
    expect(object).not.toHaveProperty('spec.foo');
    expect(decodeJson(text, deployment, { fieldValidation: 'Ignore' }).warnings).toEqual([]);
  });

  it('leaves what Go leaves after a round trip', () => {
    const pod = decodeValue(typeNode('core.v1.Pod'), {
      metadata: { name: 'a', labels: {}, creationTimestamp: null },
      spec: {
        containers: [
          {
            name: 'c',
            image: 'i',
            command: [],
            resources: { limits: { memory: '1024Mi', cpu: 0.5 } },
            ports: [{ containerPort: 80, hostPort: 0 }],
          },
        ],
        volumes: [{ name: 'v', emptyDir: {} }],
        terminationGracePeriodSeconds: 0,
        hostNetwork: false,
      },
    });
    expect(pod).toEqual({
      metadata: { name: 'a' },
      spec: {
        containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80 }], resources: { limits: { memory: '1Gi', cpu: '500m' } } }],
        volumes: [{ name: 'v', emptyDir: {} }],
        terminationGracePeriodSeconds: 0,
      },
      status: {},
    });
    expect(decodeValue(typeNode('apps.v1.Deployment'), { spec: { selector: {} } })).toEqual({
      metadata: {},
      spec: { selector: {}, template: { metadata: {}, spec: { containers: [] } }, strategy: {} },
      status: {},
    });
  });

  it.each([
    ['2024-02-30T00:00:00Z', undefined],
    ['2023-02-28T23:59:59Z', '2023-02-28T23:59:59Z'],
    ['2023-12-31T23:59:59Z', '2023-12-31T23:59:59Z'],
    ['2023-02-28T24:00:00Z', undefined],
    ['2023-13-01T00:00:00Z', undefined],
    ['2023-02-29T00:00:00Z', undefined],
    ['2024-02-29T12:00:00.123+02:00', '2024-02-29T10:00:00Z'],
    ['2024-01-01T00:00:00-00:30', '2024-01-01T00:30:00Z'],
    ['2024-01-01T1:00:00,5Z', '2024-01-01T01:00:00Z'],
    ['9999-12-31T23:59:59-01:00', '10000-01-01T00:59:59Z'],
    ['0001-01-01T00:00:00Z', null],
  ])('reads the time %s', (text, canonical) => {
    if (canonical === undefined) expect(() => decodeValue(typeNode('meta.v1.Time'), text)).toThrow(DecodeError);
    else expect(decodeValue(typeNode('meta.v1.Time'), text)).toBe(canonical);
  });

  it.each([
    ['{"a":1', 'unexpected end of JSON input'],
    ['{a:1}', "invalid character 'a' looking for beginning of object key string"],
    ['{"a" 1}', "invalid character '1' after object key"],
    ['[1 2]', "invalid character '2' after array element"],
    ['{"a":1 "b":2}', "invalid character '\"' after object key:value pair"],
    ['{} x', "invalid character 'x' after top-level value"],
    ['tru', "invalid character ' ' in literal true (expecting 'e')"],
    ['trux', "invalid character 'x' in literal true (expecting 'e')"],
    ['', 'unexpected end of JSON input'],
    ['hello', "invalid character 'h' looking for beginning of value"],
    ['{"a":-}', "invalid character '}' in numeric literal"],
    ['[1.', "invalid character ' ' after decimal point in numeric literal"],
    ['[1e+]', "invalid character ']' in exponent of numeric literal"],
    ['"\\', "invalid character ' ' in string escape code"],
    ['"\u0001"', "invalid character '\\x01' in string literal"],
    ['é', "invalid character 'Ã' looking for beginning of value"],
  ])('refuses %j as Go does', (text, message) => {
    expect(() => parseJson(text)).toThrow(new DecodeError(message));
  });

  it('refuses deep nesting without running out of stack', () => {
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
    ] as const) {
      const text = `${open.repeat(100_000)}1${close.repeat(100_000)}`;
      expect(() => decodeJson(text, deployment)).toThrow(StatusError);
    }
  });

  it('pollutes no prototype', () => {
    const { object } = decodeJson('{"metadata":{"labels":{"__proto__":"x"},"__proto__":{"a":1}},"__proto__":{"b":1}}', deployment);
    expect(Object.keys(object.metadata.labels ?? {})).toEqual(['__proto__']);
    expect(({} as Record<string, unknown>).a).toBeUndefined();
    expect(Object.getPrototypeOf(object)).toBe(Object.prototype);
  });

  it('throws nothing but a StatusError, and is stable, whatever the JSON', () => {
    const keys = fc.constantFrom(
      'metadata',
      'spec',
      'status',
      'template',
      'containers',
      'replicas',
      'labels',
      'env',
      '__proto__',
      'ports',
      'x',
      'selector',
    );
    const json = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'medium' },
        fc.constantFrom(null, true, 0, -1, 1.5, '', 'a', '1Gi'),
        fc.array(tie('value')),
        fc.dictionary(keys, tie('value')),
      ),
    })).value;
    fc.assert(
      fc.property(fc.dictionary(keys, json), (value) => {
        try {
          const first = decodeJson(JSON.stringify(value), deployment).object;
          expect(decodeJson(JSON.stringify(first), deployment, { fieldValidation: 'Strict' }).object).toEqual(first);
        } catch (error) {
          if (!(error instanceof StatusError)) throw error;
        }
      }),
    );
  });

  it('applies the table defaults wherever they occur', () => {
    const pod = { spec: { containers: [{ ports: [{ containerPort: 80 }] }], volumes: [{ rbd: {} }] } };
    applyTableDefaults(structNode('core.v1.Pod'), pod);
    expect(pod.spec.containers[0]?.ports[0]).toEqual({ containerPort: 80, protocol: 'TCP' });
    expect(pod.spec.volumes[0]?.rbd).toMatchObject({ pool: 'rbd', user: 'admin' });
  });

  it('has a type for every resource of the table', () => {
    for (const resource of schemaResources()) expect(kindNode(resource)?.fields.length, resource.type).toBeGreaterThan(1);
  });
});

const golden = new URL('../../../shared/golden/', import.meta.url);
describe.skipIf(!existsSync(golden))('golden objects of upstream (skipped where ../shared/golden is absent)', () => {
  for (const file of existsSync(golden) ? readdirSync(golden).filter((f) => f.endsWith('.json')) : []) {
    it(`leaves ${file} as it is`, () => {
      const object = JSON.parse(readFileSync(new URL(file, golden), 'utf8'));
      const [version = '', group = ''] = object.apiVersion.split('/').reverse();
      const node = kindNode({ group, version, kind: object.kind });
      expect(node, `${object.apiVersion} ${object.kind}`).toBeDefined();
      const unknown: string[] = [];
      if (node) expect(decodeValue(node, object, unknown)).toEqual(object);
      expect(unknown).toEqual([]);
    });
  }
});
