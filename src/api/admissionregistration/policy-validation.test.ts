import { expect, test } from 'vitest';
import { accept } from '../testing/accept.ts';

const rule = { operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] };
const policy = (spec: object) => ({
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'MutatingAdmissionPolicy',
  metadata: { name: 'p.example.com' },
  spec: {
    reinvocationPolicy: 'Never',
    matchConstraints: { resourceRules: [rule] },
    mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression: 'Object{}' } }],
    ...spec,
  },
});
const wrong = (object: { apiVersion: string; kind: string }) => accept(object).wrong;

test.each<[string, object, string[]]>([
  ['one mutation', {}, []],
  [
    'nothing said',
    { reinvocationPolicy: undefined, matchConstraints: undefined, mutations: undefined },
    [
      'spec.matchConstraints: Required value',
      'spec.mutations: Required value: mutations must contain at least one item',
      'spec.reinvocationPolicy: Required value',
    ],
  ],
  [
    'a delete, which has nothing to change',
    { matchConstraints: { resourceRules: [{ ...rule, operations: ['DELETE', 'UPDATE'] }] } },
    ['spec.matchConstraints.resourceRules.operations: Unsupported value: "DELETE": supported values: "*", "CONNECT", "CREATE", "UPDATE"'],
  ],
  ['no form', { mutations: [{ applyConfiguration: { expression: 'Object{}' } }] }, ['spec.mutations[0].patchType: Required value']],
  [
    'the other form',
    { mutations: [{ patchType: 'JSONPatch', applyConfiguration: { expression: 'Object{}' } }] },
    [
      'spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch',
      'spec.mutations[0].applyConfiguration: Invalid value: "{applyConfiguration}": must not be specified when patchType is JSONPatch',
    ],
  ],
  [
    'a blank expression',
    { mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression: '  ' } }] },
    ['spec.mutations[0].jsonPatch.expression: Required value'],
  ],
])('a mutating policy of %s', (_, spec, expected) => {
  expect(wrong(policy(spec))).toEqual(expected);
});

test('bindings of mutating policies are for no deletes either', () => {
  const binding = {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingAdmissionPolicyBinding',
    metadata: { name: 'b' },
    spec: { policyName: 'p', matchResources: { resourceRules: [{ ...rule, operations: ['DELETE'] }] } },
  };
  expect(wrong(binding)).toEqual([
    'spec.matchResources.resourceRules.operations: Unsupported value: "DELETE": supported values: "*", "CONNECT", "CREATE", "UPDATE"',
  ]);
});

test('in v1alpha1 a binding need not say what a missing parameter means', () => {
  const binding = (version: string) => ({
    apiVersion: `admissionregistration.k8s.io/${version}`,
    kind: 'ValidatingAdmissionPolicyBinding',
    metadata: { name: 'b' },
    spec: { policyName: 'p', paramRef: { name: 'x' }, validationActions: ['Deny'] },
  });
  expect(wrong(binding('v1alpha1'))).toEqual([]);
  expect(wrong(binding('v1beta1'))).toEqual(['spec.paramRef.parameterNotFoundAction: Required value']);
});
