import { expect, test } from 'vitest';
import { FieldErrors, fieldErrorMessage } from '../fields.ts';
import { localSubjectAccessReview, selfSubjectAccessReview, subjectAccessReview } from './access-reviews.ts';

const unasked =
  'spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified';
const selectors = 'spec.resourceAttributes';
const both = "must be specified when `operator` is 'In' or 'NotIn'";

test.each([
  [selfSubjectAccessReview, { metadata: { name: 'x' } }, [unasked, 'metadata: Invalid value: {"name":"x"}: must be empty']],
  [
    subjectAccessReview,
    { metadata: { labels: {}, managedFields: [{}] } },
    [unasked, 'spec.user: Invalid value: "": at least one of user or group must be specified'],
  ],
  [
    localSubjectAccessReview,
    {
      metadata: { namespace: 'n', labels: { a: 'b' } },
      spec: {
        user: 'u',
        resourceAttributes: {
          namespace: 'm',
          fieldSelector: { rawSelector: 'a=b', requirements: [{ key: '', operator: 'In' }] },
          labelSelector: {
            requirements: [
              { key: 'a', operator: 'New' },
              { key: 'b', operator: 'Exists', values: ['v'] },
            ],
          },
        },
      },
    },
    [
      `${selectors}.fieldSelector.rawSelector: Invalid value: "a=b": may not specified at the same time as requirements`,
      `${selectors}.fieldSelector.requirements[0].key: Required value: must be specified`,
      `${selectors}.fieldSelector.requirements[0].values: Required value: ${both}`,
      `${selectors}.labelSelector.requirements[1].values: Forbidden: may not be specified when \`operator\` is 'Exists' or 'DoesNotExist'`,
      'metadata: Invalid value: {"namespace":"n","labels":{"a":"b"}}: must be empty except for namespace',
      'spec.resourceAttributes.namespace: Invalid value: "m": must match metadata.namespace',
    ],
  ],
])('a review asks one question and is no object (%#)', ({ validate }, review, messages) => {
  const errors = new FieldErrors();
  validate?.(review as never, errors);
  expect(errors.list.map(fieldErrorMessage)).toEqual(messages);
});
