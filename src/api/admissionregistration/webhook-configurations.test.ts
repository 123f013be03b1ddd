import { expect, test } from 'vitest';
import { FieldErrors, fieldErrorMessage } from '../fields.ts';
import type { MutatingWebhookConfiguration } from '../generated/admissionregistration.v1.ts';
import { mutatingWebhookConfiguration as kind } from './webhook-configurations.ts';

const service = { name: 'n', namespace: 'ns', port: 443 };
const webhook = {
  name: 'a.example.com',
  clientConfig: { service },
  sideEffects: 'None',
  admissionReviewVersions: ['v1'],
};
/** One that every webhook of differs by `changes` from one that is valid. */
const configuration = (...changes: object[]): MutatingWebhookConfiguration =>
  ({ metadata: { name: 'c' }, webhooks: changes.map((change) => ({ ...webhook, ...change })) }) as never; // what is wrong with it is to be found out
const lines = (errors: FieldErrors) => errors.list.map((error) => fieldErrorMessage(error).split('\n')[0]);

function ofCreate(...changes: object[]) {
  const errors = new FieldErrors();
  kind.validateCreate?.(configuration(...changes), errors);
  return lines(errors);
}
function ofUpdate(next: object[], prev: object[]) {
  const errors = new FieldErrors();
  kind.validateUpdate?.(configuration(...next), configuration(...prev), errors);
  return lines(errors);
}

const url = (text: string) => ({ clientConfig: { url: text } });
const servicePath = (path: string) => ({ clientConfig: { service: { ...service, path } } });
const form = '; desired format: https://host[/path]';

test.each<[string, object, string[]]>([
  ['a service', {}, []],
  [
    'a name of two parts',
    { name: 'a.b' },
    ['name: Invalid value: "a.b": should be a domain with at least three segments separated by dots'],
  ],
  ['neither URL nor service', { clientConfig: {} }, ['clientConfig: Required value: exactly one of url or service is required']],
  [
    'a blank URL',
    url(''),
    [
      `clientConfig.url: Invalid value: "": 'https' is the only allowed URL scheme${form}`,
      `clientConfig.url: Invalid value: "": host must be specified${form}`,
    ],
  ],
  ['a URL without a host', url('https:///fancy/webhook'), [`clientConfig.url: Invalid value: "": host must be specified${form}`]],
  [
    'a fragment',
    url('https://example.com/#bookmark'),
    ['clientConfig.url: Invalid value: "bookmark": fragments are not permitted in the URL'],
  ],
  ['a query', url('https://example.com?a=b'), ['clientConfig.url: Invalid value: "a=b": query parameters are not permitted in the URL']],
  ['a user', url('https://harry@example.com/'), ['clientConfig.url: Invalid value: "harry": user information is not permitted in the URL']],
  [
    'no URL at all',
    url('arg#backwards=thisis?html.index/port:host//:https'),
    [
      `clientConfig.url: Invalid value: "": 'https' is the only allowed URL scheme${form}`,
      `clientConfig.url: Invalid value: "": host must be specified${form}`,
      'clientConfig.url: Invalid value: "backwards=thisis?html.index/port:host//:https": fragments are not permitted in the URL',
    ],
  ],
  [
    'an escape that is none',
    url('https://a/%zz'),
    [`clientConfig.url: Required value: url must be a valid URL: parse "https://a/%zz": invalid URL escape "%zz"${form}`],
  ],
  ['a service without a namespace', { clientConfig: { service: { name: 'a' } } }, ['clientConfig.service.name: Required value']],
  ['a path of one step', servicePath('/'), []],
  ['a path with a slash at its end', servicePath('/foo/'), []],
  [
    'a path without a slash at its start',
    servicePath('foo/'),
    ['clientConfig.service.path: Invalid value: "foo/": must start with a \'/\''],
  ],
  ['a path of two slashes', servicePath('//'), ['clientConfig.service.path: Invalid value: "//": segment[0] may not be empty']],
  ['an empty step', servicePath('/foo//bar/'), ['clientConfig.service.path: Invalid value: "/foo//bar/": segment[1] may not be empty']],
  [
    'an empty last step',
    servicePath('/foo/bar//'),
    ['clientConfig.service.path: Invalid value: "/foo/bar//": segment[2] may not be empty'],
  ],
  [
    'a step that is no name',
    servicePath('/apis/--bad'),
    [
      "clientConfig.service.path: Invalid value: \"/apis/--bad\": segment[1]: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    ],
  ],
  ['no side effects said', { sideEffects: undefined }, ['sideEffects: Required value: must specify one of None, NoneOnDryRun']],
  ['side effects', { sideEffects: 'Some' }, ['sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"']],
  [
    'reviews that nobody knows',
    { admissionReviewVersions: ['v2'] },
    ['admissionReviewVersions: Invalid value: ["v2"]: must include at least one of v1, v1beta1'],
  ],
  ['a condition without a name', { matchConditions: [{ expression: 'true' }] }, ['matchConditions[0].name: Required value']],
])('%s', (_, change, expected) => {
  expect(ofCreate(change)).toEqual(expected.map((line) => `webhooks[0].${line}`));
});

const rule = (resources: string[]) => ({
  rules: [{ operations: ['CREATE'], apiGroups: ['a'], apiVersions: ['v1'], resources }],
});
const alone = "if '*' is present, must not specify other resources without subresources";
test.each<[string[], string[]]>([
  [['*', 'a'], [`webhooks[0].rules[0].resources: Invalid value: ["*","a"]: ${alone}`]],
  // Upstream looks at the last one only.
  [['a', '*'], []],
  [['a/*', 'a/x'], ['webhooks[0].rules[0].resources[1]: Invalid value: "a/x": if \'a/*\' is present, must not specify a/x']],
  [['*/a', 'x/a'], ['webhooks[0].rules[0].resources[1]: Invalid value: "x/a": if \'*/a\' is present, must not specify x/a']],
  [['*/*', 'a'], ['webhooks[0].rules[0].resources: Invalid value: ["*/*","a"]: if \'*/*\' is present, must not specify other resources']],
])('rules for %j', (resources, expected) => {
  expect(ofCreate(rule(resources))).toEqual(expected);
});

test('an update may keep what was wrong before, and may not begin with it', () => {
  const unknown = { admissionReviewVersions: ['v2'] };
  expect(ofUpdate([{ ...unknown, timeoutSeconds: 1 }], [unknown])).toEqual([]);
  expect(ofUpdate([unknown], [{}])).toHaveLength(1);
  expect(ofUpdate([{}, {}], [{}, {}])).toEqual([]);
  expect(ofUpdate([{}, {}], [{}])).toEqual(['webhooks[1].name: Duplicate value: "a.example.com"']);
  expect(ofUpdate([{ sideEffects: 'Some' }], [{ sideEffects: 'Unknown' }])).toEqual([]);
  const broken = { matchConditions: [{ name: 'x', expression: '1' }] };
  expect(ofUpdate([{ ...broken, timeoutSeconds: 1 }], [broken])).toEqual([]);
  expect(ofUpdate([broken, { name: 'b.example.com' }], [broken])).toEqual([
    'webhooks[0].matchConditions[0].expression: Invalid value: "1": must evaluate to bool but got int',
  ]);
});

test('names that will be reserved are warned of', () => {
  expect(kind.warnings?.({ ...configuration(), metadata: { name: 'a.static.k8s.io' } } as never, undefined)).toEqual([
    'metadata.name: names ending with ".static.k8s.io" will be reserved for static manifest-based configurations when the ManifestBasedAdmissionControlConfig feature gate is enabled',
  ]);
  expect(kind.warnings?.(configuration(), undefined)).toEqual([]);
});
