import { expect, test } from 'vitest';
import type { ValidatingAdmissionPolicy } from '../generated/admissionregistration.v1.ts';
import type { JSONSchemaProps } from '../generated/apiextensions.v1.ts';
import { customApiVersions, typeCheckPolicy } from './type-checking.ts';

const rules = (apiGroups: string[], apiVersions: string[], resources: string[]) => ({
  resourceRules: [{ apiGroups, apiVersions, resources, operations: ['*'] }],
});
const policy = (spec: object): ValidatingAdmissionPolicy => ({ metadata: { name: 'p' }, spec }) as never; // as far as it is looked at
const widget = (schema: JSONSchemaProps) => [{ group: 'example.com', version: 'v1', kind: 'Widget', plural: 'widgets', schema }];
const widgets = rules(['example.com'], ['v1'], ['widgets']);
const text: JSONSchemaProps = { type: 'string' };
const typed: JSONSchemaProps = {
  type: 'object',
  properties: {
    apiVersion: text,
    kind: text,
    metadata: { type: 'object', properties: { name: text, generateName: text, labels: { type: 'object', additionalProperties: text } } },
    foo: { type: 'integer' },
  },
};
const warningsOf = (spec: object, schema = typed) =>
  typeCheckPolicy(policy({ matchConstraints: widgets, ...spec }), widget(schema)).map(
    ({ fieldRef, warning }) => `${fieldRef} ${warning.split('\n')[0]}`,
  );

test('the kinds that a rule names are told by group, version and kind; one of the core group by an empty group', () => {
  const spec = {
    matchConstraints: {
      resourceRules: [
        ...rules(['apps'], ['v1'], ['deployments', 'pods/*']).resourceRules,
        ...rules([''], ['v1'], ['pods']).resourceRules,
        ...rules(['batch'], ['*'], ['jobs']).resourceRules,
      ],
    },
    validations: [{ expression: 'object.nope' }],
  };
  const [warning] = typeCheckPolicy(policy(spec));
  expect(warning?.warning.match(/^\S+, Kind=\S+/gm)).toEqual(['/v1, Kind=Pod:', 'apps/v1, Kind=Deployment:']);
  expect(warning?.warning).toBe(
    [
      "/v1, Kind=Pod: ERROR: <input>:1:7: undefined field 'nope'\n | object.nope\n | ......^\n",
      "apps/v1, Kind=Deployment: ERROR: <input>:1:7: undefined field 'nope'\n | object.nope\n | ......^\n",
    ].join('\n'),
  );
});

test('the rules after one that names ten kinds are not looked at; no group is any group', () => {
  const many = [
    'pods',
    'nodes',
    'secrets',
    'services',
    'configmaps',
    'namespaces',
    'endpoints',
    'limitranges',
    'resourcequotas',
    'podtemplates',
  ];
  const resourceRules = [
    ...rules([''], ['v1'], [...many, 'replicationcontrollers']).resourceRules,
    ...rules(['apps'], ['v1'], ['deployments']).resourceRules,
  ];
  const kinds = (spec: object) =>
    typeCheckPolicy(policy({ ...spec, validations: [{ expression: 'object.nope' }] }))[0]?.warning.match(/(?<=Kind=)\w+/g);
  expect(kinds({ matchConstraints: { resourceRules } })).toEqual([
    'ConfigMap',
    'Endpoints',
    'LimitRange',
    'Namespace',
    'Node',
    'Pod',
    'PodTemplate',
    'ReplicationController',
    'ResourceQuota',
    'Secret',
  ]);
  expect(kinds({ matchConstraints: rules([''], ['v1'], ['deployments']) })).toEqual(['Deployment']);
});

test('fields of custom kinds are known by their schemas', () => {
  expect(warningsOf({ validations: [{ expression: 'object.foo == 1 && object.metadata.labels.a == object.kind' }] })).toEqual([]);
  expect(
    warningsOf({
      validations: [
        { expression: 'object.bar == 1' },
        { expression: 'object.foo == "x"', messageExpression: 'object.foo + "x"' },
        { expression: 'true', messageExpression: 'string(authorizer.path("/x").check("get").allowed())' },
        { expression: 'authorizer.allowed()' },
      ],
    }),
  ).toEqual([
    "spec.validations[0].expression example.com/v1, Kind=Widget: ERROR: <input>:1:7: undefined field 'bar'",
    "spec.validations[1].expression example.com/v1, Kind=Widget: ERROR: <input>:1:12: found no matching overload for '_==_' applied to '(int, string)'",
    "spec.validations[1].messageExpression example.com/v1, Kind=Widget: ERROR: <input>:1:12: found no matching overload for '_+_' applied to '(int, string)'",
    "spec.validations[3].expression example.com/v1, Kind=Widget: ERROR: <input>:1:19: found no matching overload for 'allowed' applied to 'kubernetes.authorization.Authorizer.()'",
  ]);
});

test('a field of anything does not spoil the others', () => {
  const spec: JSONSchemaProps = { type: 'object', properties: { text, any: { type: 'object', additionalProperties: true as never } } };
  expect(warningsOf({ validations: [{ expression: 'has(object.spec.text)' }] }, { type: 'object', properties: { spec } })).toEqual([]);
  expect(warningsOf({ validations: [{ expression: 'true' }] }, {})).toEqual([]);
});

test('variables have the types of their expressions; what is wrong within one is not said again', () => {
  const variables = [{ name: 'name', expression: "'something'" }];
  expect(warningsOf({ variables, validations: [{ expression: 'variables.name == object.foo' }, { expression: 'variables.no' }] })).toEqual([
    "spec.validations[0].expression example.com/v1, Kind=Widget: ERROR: <input>:1:16: found no matching overload for '_==_' applied to '(string, int)'",
    "spec.validations[1].expression example.com/v1, Kind=Widget: ERROR: <input>:1:10: undefined field 'no'",
  ]);
  const wrong = [{ name: 'name', expression: "object.foo == 'str'" }];
  expect(warningsOf({ variables: wrong, validations: [{ expression: 'variables.name == object.foo' }] })).toEqual([]);
});

test('parameters have the type of their kind; those of a kind that is not known have any', () => {
  const validations = [{ expression: 'params.foo == 1 && params.bar == 1' }];
  expect(warningsOf({ paramKind: { apiVersion: 'example.com/v1', kind: 'Widget' }, validations })).toEqual([
    "spec.validations[0].expression example.com/v1, Kind=Widget: ERROR: <input>:1:26: undefined field 'bar'",
  ]);
  expect(warningsOf({ paramKind: { apiVersion: 'example.com/v1', kind: 'Nobody' }, validations })).toEqual([]);
  expect(warningsOf({ validations })[0]).toContain("undeclared reference to 'params'");
});

test('only what is not built in is asked for', () => {
  const asked = (spec: object) => customApiVersions(policy(spec));
  expect(asked({ matchConstraints: rules(['', 'apps'], ['v1'], ['*']) })).toEqual([]);
  expect(asked({ matchConstraints: rules(['example.com'], ['*'], ['widgets']) })).toEqual([]);
  expect(asked({ matchConstraints: widgets, paramKind: { apiVersion: 'other.com/v2', kind: 'Limit' } })).toEqual([
    'example.com/v1',
    'other.com/v2',
  ]);
});
