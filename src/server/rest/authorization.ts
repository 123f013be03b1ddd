/** Reviews of authorization: may somebody, or the caller, do something? */
import {
  errors,
  FieldErrors,
  type FieldSelectorAttributes,
  type KubeObject,
  type LabelSelectorAttributes,
  type LabelSelectorRequirement,
  type LocalSubjectAccessReview,
  type NonResourceAttributes,
  type ResourceAttributes,
  type SelfSubjectAccessReview,
  type SelfSubjectRulesReview,
  type SubjectAccessReview,
  type SubjectAccessReviewStatus,
} from '../../api/index.ts';
import { objectAnswer } from '../exchange.ts';
import { matchNamespace } from '../registry/create.ts';
import type { HandlerCall, SubresourceHandler } from '../registry/resource-handler.ts';
import { toServed } from '../registry/served-resource.ts';
import type { Attributes, Authorizer, UserInfo } from '../request.ts';

const group = 'authorization.k8s.io';

interface Spec {
  resourceAttributes?: ResourceAttributes;
  nonResourceAttributes?: NonResourceAttributes;
}

type Selector = FieldSelectorAttributes | LabelSelectorAttributes | undefined;

/** Requirements as the text of a selector. What it cannot say is left out: the answer then holds for more than was asked. */
function selectorText(selector: Selector, textOf: (requirement: LabelSelectorRequirement) => string | undefined): string | undefined {
  if (selector?.rawSelector) return selector.rawSelector;
  return (selector?.requirements ?? []).flatMap((requirement) => textOf(requirement) ?? []).join(',') || undefined;
}

function fieldText({ key, operator, values = [] }: LabelSelectorRequirement): string | undefined {
  if (values.length !== 1) return undefined;
  return operator === 'In' ? `${key}=${values[0]}` : operator === 'NotIn' ? `${key}!=${values[0]}` : undefined;
}

function labelText({ key, operator, values = [] }: LabelSelectorRequirement): string | undefined {
  if (operator === 'In' || operator === 'NotIn') return `${key} ${operator.toLowerCase()} (${values.join(',')})`;
  return operator === 'Exists' ? key : operator === 'DoesNotExist' ? `!${key}` : undefined;
}

function attributesOf(user: UserInfo, spec: Spec): Attributes {
  const resource = spec.resourceAttributes;
  const labelSelector = selectorText(resource?.labelSelector, labelText);
  const fieldSelector = selectorText(resource?.fieldSelector, fieldText);
  return {
    user,
    verb: resource?.verb ?? spec.nonResourceAttributes?.verb ?? '',
    isResourceRequest: resource !== undefined,
    apiGroup: resource?.group ?? '',
    apiVersion: resource?.version ?? '',
    namespace: resource?.namespace ?? '',
    resource: resource?.resource ?? '',
    subresource: resource?.subresource ?? '',
    name: resource?.name ?? '',
    path: spec.nonResourceAttributes?.path ?? '',
    ...(labelSelector === undefined ? {} : { labelSelector }),
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
  };
}

async function decide(authorizer: Authorizer, attributes: Attributes): Promise<SubjectAccessReviewStatus> {
  const { decision, reason, error } = await authorizer.authorize(attributes);
  return {
    allowed: decision === 'allow',
    ...(decision === 'deny' ? { denied: true } : {}),
    ...(reason === '' ? {} : { reason }),
    ...(error ? { evaluationError: error.message } : {}),
  };
}

const subjectOf = (spec: SubjectAccessReview['spec']): UserInfo => ({
  name: spec.user ?? '',
  groups: spec.groups ?? [],
  ...(spec.uid ? { uid: spec.uid } : {}),
  ...(spec.extra ? { extra: spec.extra } : {}),
});

/** Handlers of the four review kinds of authorization.k8s.io. */
export function accessReviewHandlers(authorizer: Authorizer): SubresourceHandler[] {
  /** A handler that answers the question by filling in its status; in the version of storage. */
  const handler = <T extends KubeObject>(resource: string, answer: (call: HandlerCall, review: T) => Promise<T>): SubresourceHandler => ({
    group,
    resource,
    subresource: '',
    verbs: ['create'],
    async handle(call) {
      const { served } = call;
      const asked = await call.body(served.resource);
      // The handler's resource is served for this one kind.
      const review = (served.version?.toStorage(asked) ?? asked) as T;
      matchNamespace(review, call.context.info.namespace);
      await call.admit('CREATE', served.resource, review);
      const problems = new FieldErrors();
      served.kind.validate?.(review, problems);
      // Upstream's internal objects have no kind to name.
      if (!problems.ok) throw errors.invalid({ ...served.resource, kind: '' }, '', problems.list);
      return objectAnswer(toServed(served, await answer(call, review)), 201);
    },
  });
  return [
    handler<SubjectAccessReview>('subjectaccessreviews', async (_, review) => ({
      ...review,
      status: await decide(authorizer, attributesOf(subjectOf(review.spec), review.spec)),
    })),
    handler<SelfSubjectAccessReview>('selfsubjectaccessreviews', async ({ context }, review) => ({
      ...review,
      status: await decide(authorizer, attributesOf(context.user, review.spec)),
    })),
    handler<LocalSubjectAccessReview>('localsubjectaccessreviews', async (_, review) => ({
      ...review,
      status: await decide(authorizer, attributesOf(subjectOf(review.spec), review.spec)),
    })),
    handler<SelfSubjectRulesReview>('selfsubjectrulesreviews', async ({ context }, review) => {
      const namespace = review.spec?.namespace ?? '';
      if (namespace === '') throw errors.badRequest('no namespace on request');
      const { resourceRules, ...rest } = (await authorizer.rulesFor?.(context.user, namespace)) ?? {
        resourceRules: [],
        nonResourceRules: [],
        incomplete: true,
      };
      const named = resourceRules.map(({ resourceNames, ...rule }) => (resourceNames.length > 0 ? { ...rule, resourceNames } : rule));
      // What was asked does not come back, as with upstream.
      return { ...review, spec: {}, status: { resourceRules: named, ...rest } };
    }),
  ];
}
