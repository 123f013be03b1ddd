/** Reviews of authentication, and tokens of service accounts. */
import type { authenticationV1, KubeObject, SelfSubjectReview, TokenReview } from '../../api/index.ts';
import { errors } from '../../api/index.ts';
import { timestamp } from '../../time/index.ts';
import { issueServiceAccountToken, type TokenAuthenticator, type TokenRequestContext } from '../authentication/index.ts';
import { describeFailures, invalidBearerToken } from '../authentication/token.ts';
import { withAuthenticatedGroup } from '../authentication/union.ts';
import { objectAnswer } from '../exchange.ts';
import { matchNamespace } from '../registry/create.ts';
import type { SubresourceHandler } from '../registry/resource-handler.ts';
import type { UserInfo } from '../request.ts';

const group = 'authentication.k8s.io';

export function toUserInfo(user: UserInfo): authenticationV1.UserInfo {
  return {
    username: user.name,
    ...(user.uid ? { uid: user.uid } : {}),
    ...(user.groups.length > 0 ? { groups: [...user.groups] } : {}),
    ...(user.extra ? { extra: Object.fromEntries(Object.entries(user.extra).map(([key, values]) => [key, [...values]])) } : {}),
  };
}

/** POST tokenreviews: whose token it is. */
export function tokenReviewHandler(tokens: TokenAuthenticator, apiAudiences: readonly string[]): SubresourceHandler {
  return {
    group,
    resource: 'tokenreviews',
    subresource: '',
    verbs: ['create'],
    async handle(call) {
      // The served resource of this handler is TokenReview, in one of its versions.
      const review = (await call.body(call.served.resource)) as TokenReview;
      await call.admit('CREATE', call.served.resource, review);
      const token = review.spec?.token ?? '';
      if (token === '') throw errors.badRequest('token is required for TokenReview in authentication');
      const audiences = review.spec.audiences?.length ? review.spec.audiences : [...apiAudiences];
      let status: authenticationV1.TokenReviewStatus;
      try {
        const found = await tokens.authenticateToken(token, audiences);
        if (found === undefined) throw new Error(invalidBearerToken);
        status = {
          authenticated: true,
          user: toUserInfo(withAuthenticatedGroup(found.user)),
          ...(found.audiences ? { audiences: [...found.audiences] } : {}),
        };
      } catch (error) {
        // The server's own token, for what it asks itself, is none of these either.
        status = { user: {}, error: describeFailures([invalidBearerToken, error]) };
      }
      return objectAnswer({ ...review, status }, 201);
    },
  };
}

/** POST selfsubjectreviews: who the server takes the caller for (`kubectl auth whoami`). */
export const selfSubjectReviewHandler: SubresourceHandler = {
  group,
  resource: 'selfsubjectreviews',
  subresource: '',
  verbs: ['create'],
  async handle(call) {
    const review = (await call.body(call.served.resource)) as SelfSubjectReview;
    await call.admit('CREATE', call.served.resource, review);
    const { apiVersion, kind } = review;
    const metadata = { creationTimestamp: timestamp(call.registry.clock) };
    return objectAnswer({ apiVersion, kind, metadata, status: { userInfo: toUserInfo(call.context.user) } } as SelfSubjectReview, 201);
  },
};

const tokenRequestKind = { group, version: 'v1', kind: 'TokenRequest', plural: 'tokenrequests', namespaced: true } as const;

/** POST serviceaccounts/NAME/token. */
export function tokenRequestHandler(context: TokenRequestContext): SubresourceHandler {
  return {
    group: '',
    resource: 'serviceaccounts',
    subresource: 'token',
    verbs: ['create'],
    kind: { group, version: 'v1', kind: 'TokenRequest' },
    async handle(call) {
      const request = await call.body<authenticationV1.TokenRequest>(tokenRequestKind);
      const { namespace, name } = call.context.info;
      matchNamespace(request as KubeObject, namespace);
      await call.admit('CREATE', tokenRequestKind, request);
      return objectAnswer(await issueServiceAccountToken(context, namespace, name, request, call.context), 201);
    },
  };
}
