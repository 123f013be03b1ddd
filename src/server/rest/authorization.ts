/** Reviews of authorization: may somebody, or the caller, do something? */
import {
  errors,
  FieldErrors,
  FieldPath,
  type LocalSubjectAccessReview,
  type NonResourceAttributes,
  type ResourceAttributes,
  type SelfSubjectAccessReview,
  type SelfSubjectRulesReview,
  type SubjectAccessReview,
  type SubjectAccessReviewStatus,
} from '../../api/index.ts';
import { objectAnswer } from '../exchange.ts';
import type { HandlerCall, SubresourceHandler } from '../registry/resource-handler.ts';
import type { Attributes, Authorizer, UserInfo } from '../request.ts';

const group = 'authorization.k8s.io';

interface Spec {
  resourceAttributes?: ResourceAttributes;
  nonResourceAttributes?: NonResourceAttributes;
}

function attributesOf(user: UserInfo, spec: Spec): Attributes {
  const resource = spec.resourceAttributes;
  const selectors = {
    ...(resource?.labelSelector?.rawSelector ? { labelSelector: resource.labelSelector.rawSelector } : {}),
    ...fieldSelectorOf(resource),
  };
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
    ...selectors,
  };
}

function fieldSelectorOf(resource: ResourceAttributes | undefined): { fieldSelector?: string } {
  const selector = resource?.fieldSelector;
  if (selector?.rawSelector) return { fieldSelector: selector.rawSelector };
  const equal = (selector?.requirements ?? []).filter((r) => r.operator === 'In' && r.values?.length === 1);
  return equal.length > 0 ? { fieldSelector: equal.map((r) => `${r.key}=${r.values?.[0]}`).join(',') } : {};
}

function validateSpec(call: HandlerCall, spec: Spec, subject: { user?: string; groups?: string[] } | undefined): void {
  const problems = new FieldErrors();
  const path = new FieldPath('spec');
  if (spec.resourceAttributes !== undefined && spec.nonResourceAttributes !== undefined)
    problems.invalid(
      path.child('nonResourceAttributes'),
      spec.nonResourceAttributes,
      'cannot be specified in combination with resourceAttributes',
    );
  if (spec.resourceAttributes === undefined && spec.nonResourceAttributes === undefined)
    problems.invalid(
      path.child('resourceAttributes'),
      spec.resourceAttributes,
      'exactly one of nonResourceAttributes or resourceAttributes must be specified',
    );
  if (subject !== undefined && !subject.user && !subject.groups?.length)
    problems.invalid(path.child('user'), subject.user ?? '', 'at least one of user or group must be specified');
  if (!problems.ok) throw errors.invalid(call.served.resource, '', problems.list);
}

async function decide(authorizer: Authorizer, attributes: Attributes): Promise<SubjectAccessReviewStatus> {
  const { decision, reason } = await authorizer.authorize(attributes);
  return { allowed: decision === 'allow', ...(decision === 'deny' ? { denied: true } : {}), ...(reason === '' ? {} : { reason }) };
}

const subjectOf = (spec: SubjectAccessReview['spec']): UserInfo => ({
  name: spec.user ?? '',
  groups: spec.groups ?? [],
  ...(spec.uid ? { uid: spec.uid } : {}),
  ...(spec.extra ? { extra: spec.extra } : {}),
});

/** Handlers of the four review kinds of authorization.k8s.io. */
export function accessReviewHandlers(authorizer: Authorizer): SubresourceHandler[] {
  const handler = (resource: string, handle: SubresourceHandler['handle']): SubresourceHandler => ({
    group,
    resource,
    subresource: '',
    verbs: ['create'],
    handle,
  });
  return [
    handler('subjectaccessreviews', async (call) => {
      const review = (await call.body(call.served.resource)) as SubjectAccessReview;
      await call.admit('CREATE', call.served.resource, review);
      validateSpec(call, review.spec, review.spec);
      return objectAnswer({ ...review, status: await decide(authorizer, attributesOf(subjectOf(review.spec), review.spec)) }, 201);
    }),
    handler('selfsubjectaccessreviews', async (call) => {
      const review = (await call.body(call.served.resource)) as SelfSubjectAccessReview;
      await call.admit('CREATE', call.served.resource, review);
      validateSpec(call, review.spec, undefined);
      return objectAnswer({ ...review, status: await decide(authorizer, attributesOf(call.context.user, review.spec)) }, 201);
    }),
    handler('localsubjectaccessreviews', async (call) => {
      const review = (await call.body(call.served.resource)) as LocalSubjectAccessReview;
      await call.admit('CREATE', call.served.resource, review);
      validateSpec(call, review.spec, review.spec);
      const { namespace } = call.context.info;
      const asked = review.spec.resourceAttributes?.namespace ?? '';
      if (review.spec.nonResourceAttributes !== undefined) throw errors.badRequest('disallowed on this kind of request');
      if (asked !== '' && asked !== namespace)
        throw errors.badRequest(`spec.resourceAttributes.namespace must match namespace: ${namespace}`);
      const attributes = { ...attributesOf(subjectOf(review.spec), review.spec), namespace };
      return objectAnswer({ ...review, status: await decide(authorizer, attributes) }, 201);
    }),
    handler('selfsubjectrulesreviews', async (call) => {
      const review = (await call.body(call.served.resource)) as SelfSubjectRulesReview;
      await call.admit('CREATE', call.served.resource, review);
      const namespace = review.spec?.namespace ?? '';
      if (namespace === '') throw errors.badRequest('no namespace on request');
      const rules = (await authorizer.rulesFor?.(call.context.user, namespace)) ?? {
        resourceRules: [],
        nonResourceRules: [],
        incomplete: true,
      };
      return objectAnswer({ ...review, status: rules }, 201);
    }),
  ];
}
