/** Answers what expressions ask the authorizer. */
import type { AskAuthorizer, AuthorizerAnswer, AuthorizerCheck } from '../../../api/index.ts';
import type { Attributes, Authorizer, Decision, UserInfo } from '../../request.ts';

function attributesOf(user: UserInfo, check: AuthorizerCheck): Attributes {
  const { serviceAccount, path, verb, group, resource, subresource, namespace, name, fieldSelector, labelSelector } = check;
  const asked: UserInfo = serviceAccount
    ? {
        name: `system:serviceaccount:${serviceAccount.namespace}:${serviceAccount.name}`,
        groups: ['system:serviceaccounts', `system:serviceaccounts:${serviceAccount.namespace}`, 'system:authenticated'],
      }
    : user;
  return {
    user: asked,
    verb,
    isResourceRequest: path === undefined,
    apiGroup: group,
    apiVersion: path === undefined ? '*' : '',
    namespace,
    resource,
    subresource,
    name,
    path: path ?? '',
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
    ...(labelSelector === undefined ? {} : { labelSelector }),
  };
}

const answerOf = ({ decision, reason }: Decision): AuthorizerAnswer => ({ allowed: decision === 'allow', reason });
const failureOf = (error: unknown): AuthorizerAnswer => {
  const message = error instanceof Error ? error.message : String(error);
  return { allowed: false, reason: '', error: message };
};

/**
 * Expressions are evaluated at once, authorizers may take their time (webhooks): an evaluation that asks what is not known yet is
 * given up, and begun again when the answer is there. Each question is asked once a request.
 */
export class AuthorizerChecks {
  readonly #authorizer: Authorizer;
  readonly #user: UserInfo;
  readonly #known = new Map<string, AuthorizerAnswer>();
  readonly #pending = new Map<string, Promise<void>>();

  constructor(authorizer: Authorizer, user: UserInfo) {
    this.#authorizer = authorizer;
    this.#user = user;
  }

  readonly ask: AskAuthorizer = (check) => {
    const key = JSON.stringify(check);
    const known = this.#known.get(key);
    if (known) return known;
    const decision = this.#authorizer.authorize(attributesOf(this.#user, check));
    if (!(decision instanceof Promise)) {
      const answer = answerOf(decision);
      this.#known.set(key, answer);
      return answer;
    }
    const settled = decision.then(answerOf, failureOf).then((answer) => void this.#known.set(key, answer));
    this.#pending.set(key, settled);
    throw new Error('the authorizer has not answered yet');
  };

  /** Evaluates as often as new questions come up. */
  async evaluate<T>(evaluation: () => T): Promise<T> {
    for (;;) {
      let outcome: { value: T } | { error: unknown };
      try {
        outcome = { value: evaluation() };
      } catch (error) {
        outcome = { error };
      }
      if (this.#pending.size === 0) {
        if ('error' in outcome) throw outcome.error;
        return outcome.value;
      }
      const pending = [...this.#pending.values()];
      this.#pending.clear();
      await Promise.all(pending);
    }
  }
}
