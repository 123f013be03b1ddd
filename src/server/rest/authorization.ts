/** Reviews of authorization: may somebody, or the caller, do something? */
import {
  errors,
  escapeFieldValue,
  FieldErrors,
  type FieldSelectorAttributes,
  type KubeObject,
  type LabelSelectorAttributes,
  type LabelSelectorRequirement,
  type LocalSubjectAccessReview,
  type NonResourceAttributes,
  parseFieldSelector,
  parseSelector,
  type ResourceAttributes,
  SelectorError,
  type SelfSubjectAccessReview,
  type SelfSubjectRulesReview,
  type SubjectAccessReview,
  type SubjectAccessReviewStatus,
  selectorFromObject,
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

/** A selector as text, and whether something of it could not be read: without that, the answer holds for more than was asked. */
interface ReadSelector {
  text?: string;
  /** What could be read, as it came, where it came in parts. */
  requirements?: readonly LabelSelectorRequirement[];
  isIncomplete: boolean;
}

function readSelector(
  selector: Selector,
  parse: (text: string) => { toString(): string },
  textOf: (requirement: LabelSelectorRequirement) => string,
): ReadSelector {
  const { rawSelector = '', requirements = [] } = selector ?? {};
  let isIncomplete = false;
  const known = (read: () => string): string[] => {
    try {
      return [read()];
    } catch (error) {
      if (!(error instanceof SelectorError)) throw error;
      isIncomplete = true;
      return [];
    }
  };
  if (requirements.length === 0) {
    const [text = ''] = known(() => parse(rawSelector).toString());
    return { isIncomplete, ...(text === '' ? {} : { text }) };
  }
  const read = requirements.flatMap((requirement) => known(() => textOf(requirement)).map((text) => ({ requirement, text })));
  const text = read.map((each) => each.text).join(',');
  return { isIncomplete, ...(text === '' ? {} : { text, requirements: read.map((each) => each.requirement) }) };
}

/** @throws SelectorError for what field selectors can't say */
function fieldText({ key, operator, values = [] }: LabelSelectorRequirement): string {
  const [value] = values;
  const sign = operator === 'In' ? '=' : operator === 'NotIn' ? '!=' : undefined;
  if (value === undefined || values.length > 1 || sign === undefined) throw new SelectorError('field selectors compare with one value');
  return `${key}${sign}${escapeFieldValue(value)}`;
}

/** @throws SelectorError */
const labelText = (requirement: LabelSelectorRequirement) => selectorFromObject({ matchExpressions: [requirement] }).toString();

interface Question {
  attributes: Attributes;
  /** What of the question could not be read. */
  problems: string[];
}

function questionOf(user: UserInfo, spec: Spec): Question {
  const resource = spec.resourceAttributes;
  const fields = readSelector(resource?.fieldSelector, parseFieldSelector, fieldText);
  const labels = readSelector(resource?.labelSelector, parseSelector, labelText);
  const problem = (name: string, { isIncomplete, text }: ReadSelector) =>
    isIncomplete ? [`spec.resourceAttributes.${name} ${text === undefined ? '' : 'partially '}ignored due to parse error`] : [];
  return {
    problems: [...problem('fieldSelector', fields), ...problem('labelSelector', labels)],
    attributes: {
      user,
      verb: resource?.verb ?? spec.nonResourceAttributes?.verb ?? '',
      isResourceRequest: resource !== undefined,
      apiGroup: resource?.group ?? '',
      apiVersion: resource ? resource.version || '*' : '',
      namespace: resource?.namespace ?? '',
      resource: resource?.resource ?? '',
      subresource: resource?.subresource ?? '',
      name: resource?.name ?? '',
      path: spec.nonResourceAttributes?.path ?? '',
      ...(labels.text === undefined ? {} : { labelSelector: labels.text }),
      ...(fields.text === undefined ? {} : { fieldSelector: fields.text }),
      ...(labels.requirements || fields.requirements
        ? {
            requirements: {
              ...(labels.requirements ? { labels: labels.requirements } : {}),
              ...(fields.requirements ? { fields: fields.requirements } : {}),
            },
          }
        : {}),
    },
  };
}

async function decide(authorizer: Authorizer, { attributes, problems }: Question): Promise<SubjectAccessReviewStatus> {
  const { decision, reason, error } = await authorizer.authorize(attributes);
  const evaluationError = [...(error ? [error.message] : []), ...problems].join('; ');
  return {
    allowed: decision === 'allow',
    ...(decision === 'deny' ? { denied: true } : {}),
    ...(reason === '' ? {} : { reason }),
    ...(evaluationError === '' ? {} : { evaluationError }),
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
      status: await decide(authorizer, questionOf(subjectOf(review.spec), review.spec)),
    })),
    handler<SelfSubjectAccessReview>('selfsubjectaccessreviews', async ({ context }, review) => ({
      ...review,
      status: await decide(authorizer, questionOf(context.user, review.spec)),
    })),
    handler<LocalSubjectAccessReview>('localsubjectaccessreviews', async (_, review) => ({
      ...review,
      status: await decide(authorizer, questionOf(subjectOf(review.spec), review.spec)),
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
