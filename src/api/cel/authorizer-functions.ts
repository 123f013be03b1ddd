/** The authorizer that expressions may ask (k8s.io/apiserver/pkg/cel/library/authz.go). */
import type { Environment } from '@marcbachmann/cel-js';
import { spend } from './metering.ts';

/** What an expression asks: whether the request's user, or a service account, may do something. */
export interface AuthorizerCheck {
  readonly serviceAccount?: { readonly namespace: string; readonly name: string };
  /** Of a non-resource request. */
  readonly path?: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
  readonly verb: string;
}

export interface AuthorizerAnswer {
  readonly allowed: boolean;
  readonly reason: string;
  readonly error?: string;
}

export type AskAuthorizer = (check: AuthorizerCheck) => AuthorizerAnswer;

/** As upstream prices a question. */
const checkCost = 350_000;

const nothing: AuthorizerCheck = { group: '', resource: '', subresource: '', namespace: '', name: '', verb: '' };

class CheckValue {
  readonly ask: AskAuthorizer;
  readonly check: AuthorizerCheck;
  constructor(ask: AskAuthorizer, check: AuthorizerCheck) {
    this.ask = ask;
    this.check = check;
  }
}
// The library tells types by their classes.
class PathCheck extends CheckValue {}
class GroupCheck extends CheckValue {}
class ResourceCheck extends CheckValue {}
class DecisionValue {
  readonly answer: AuthorizerAnswer;
  constructor(answer: AuthorizerAnswer) {
    this.answer = answer;
  }
}
class AuthorizerValue extends CheckValue {
  readonly requestResource: ResourceCheck;
  constructor(ask: AskAuthorizer, check: AuthorizerCheck, requested: AuthorizerCheck) {
    super(ask, check);
    this.requestResource = new ResourceCheck(ask, requested);
  }
}

/** The value of the variable `authorizer`; `requested` is what the request itself is on. */
export function authorizerValue(ask: AskAuthorizer, requested: Omit<AuthorizerCheck, 'verb'>): unknown {
  return new AuthorizerValue(ask, nothing, { ...requested, verb: '' });
}

export const authorizerType = 'kubernetes.authorization.Authorizer';

export function registerAuthorizer(environment: Environment): void {
  const type = (name: string) => `kubernetes.authorization.${name}`;
  const decide = ({ ask, check }: CheckValue, verb: string) => {
    spend(checkCost);
    return new DecisionValue(ask({ ...check, verb }));
  };
  environment
    .registerType(type('PathCheck'), PathCheck)
    .registerType(type('GroupCheck'), GroupCheck)
    .registerType(type('ResourceCheck'), ResourceCheck)
    .registerType(type('Decision'), DecisionValue)
    .registerType(authorizerType, { ctor: AuthorizerValue, fields: { requestResource: type('ResourceCheck') } })
    .registerFunction(`${authorizerType}.path(string): ${type('PathCheck')}`, ({ ask, check }: AuthorizerValue, path: string) => {
      if (path === '') throw new Error('path must not be empty');
      return new PathCheck(ask, { ...check, path });
    })
    .registerFunction(
      `${authorizerType}.group(string): ${type('GroupCheck')}`,
      ({ ask, check }: AuthorizerValue, group: string) => new GroupCheck(ask, { ...check, group }),
    )
    .registerFunction(
      `${authorizerType}.serviceAccount(string, string): ${authorizerType}`,
      ({ ask, check, requestResource }: AuthorizerValue, namespace: string, name: string) => {
        const serviceAccount = { namespace, name };
        return new AuthorizerValue(ask, { ...check, serviceAccount }, { ...requestResource.check, serviceAccount });
      },
    )
    .registerFunction(`${type('PathCheck')}.check(string): ${type('Decision')}`, decide)
    .registerFunction(
      `${type('GroupCheck')}.resource(string): ${type('ResourceCheck')}`,
      ({ ask, check }: GroupCheck, resource: string) => {
        if (resource === '') throw new Error('resource must not be empty');
        return new ResourceCheck(ask, { ...check, resource });
      },
    )
    .registerFunction(`${type('ResourceCheck')}.check(string): ${type('Decision')}`, decide)
    .registerFunction(`${type('Decision')}.allowed(): bool`, ({ answer }: DecisionValue) => answer.allowed)
    .registerFunction(`${type('Decision')}.reason(): string`, ({ answer }: DecisionValue) => answer.reason)
    .registerFunction(`${type('Decision')}.errored(): bool`, ({ answer }: DecisionValue) => answer.error !== undefined)
    .registerFunction(`${type('Decision')}.error(): string`, ({ answer }: DecisionValue) => answer.error ?? '');
  for (const field of ['subresource', 'namespace', 'name', 'fieldSelector', 'labelSelector'] as const)
    environment.registerFunction(
      `${type('ResourceCheck')}.${field}(string): ${type('ResourceCheck')}`,
      ({ ask, check }: ResourceCheck, value: string) => new ResourceCheck(ask, { ...check, [field]: value }),
    );
}
