/** The authorizer that expressions may ask (k8s.io/apiserver/pkg/cel/library/authz.go). */
import { type Environment, member } from './declarations.ts';
import { boolType, type CelType, opaqueType, stringType } from './types.ts';
import { CelError, OpaqueValue } from './values.ts';

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

const nothing: AuthorizerCheck = { group: '', resource: '', subresource: '', namespace: '', name: '', verb: '' };

const authorizerType = opaqueType('kubernetes.authorization.Authorizer');
const pathCheck = opaqueType('kubernetes.authorization.PathCheck');
const groupCheck = opaqueType('kubernetes.authorization.GroupCheck');
const resourceCheck = opaqueType('kubernetes.authorization.ResourceCheck');
const decision = opaqueType('kubernetes.authorization.Decision');

class CheckValue extends OpaqueValue {
  readonly type: CelType;
  readonly ask: AskAuthorizer;
  readonly check: AuthorizerCheck;
  constructor(type: CelType, ask: AskAuthorizer, check: AuthorizerCheck) {
    super();
    this.type = type;
    this.ask = ask;
    this.check = check;
  }

  with(type: CelType, more: Partial<AuthorizerCheck>): CheckValue {
    return new CheckValue(type, this.ask, { ...this.check, ...more });
  }
}

class DecisionValue extends OpaqueValue {
  readonly type = decision;
  readonly answer: AuthorizerAnswer;
  constructor(answer: AuthorizerAnswer) {
    super();
    this.answer = answer;
  }
}

/** What a request is on, and whoever asks. */
export interface AuthorizerVariables {
  authorizer: unknown;
  'authorizer.requestResource': unknown;
}

/** The values of the authorizer's variables; `requested` is what the request itself is on. */
export function authorizerVariables(ask: AskAuthorizer, requested: Omit<AuthorizerCheck, 'verb'>): AuthorizerVariables {
  return {
    authorizer: new CheckValue(authorizerType, ask, nothing),
    'authorizer.requestResource': new CheckValue(resourceCheck, ask, { ...requested, verb: '' }),
  };
}

function required(name: string, value: string): string {
  if (value === '') throw new CelError(`${name} must not be empty`);
  return value;
}

export function declareAuthorizer(environment: Environment): void {
  const decide = (value: CheckValue, verb: string) => new DecisionValue(value.ask({ ...value.check, verb }));
  for (const type of [authorizerType, pathCheck, groupCheck, resourceCheck, decision]) environment.type(type.name, type);
  environment
    .variable('authorizer', authorizerType)
    .variable('authorizer.requestResource', resourceCheck)
    .function(
      'path',
      member([authorizerType, stringType], pathCheck, (value: CheckValue, path: string) =>
        value.with(pathCheck, { path: required('path', path) }),
      ),
    )
    .function(
      'group',
      member([authorizerType, stringType], groupCheck, (value: CheckValue, group: string) => value.with(groupCheck, { group })),
    )
    .function(
      'serviceAccount',
      member([authorizerType, stringType, stringType], authorizerType, (value: CheckValue, namespace: string, name: string) =>
        value.with(authorizerType, { serviceAccount: { namespace, name } }),
      ),
    )
    .function(
      'resource',
      member([groupCheck, stringType], resourceCheck, (value: CheckValue, resource: string) =>
        value.with(resourceCheck, { resource: required('resource', resource) }),
      ),
    )
    .function('check', member([pathCheck, stringType], decision, decide), member([resourceCheck, stringType], decision, decide))
    .function(
      'allowed',
      member([decision], boolType, ({ answer }: DecisionValue) => answer.allowed),
    )
    .function(
      'reason',
      member([decision], stringType, ({ answer }: DecisionValue) => answer.reason),
    )
    .function(
      'errored',
      member([decision], boolType, ({ answer }: DecisionValue) => answer.error !== undefined),
    )
    .function(
      'error',
      member([decision], stringType, ({ answer }: DecisionValue) => answer.error ?? ''),
    );
  for (const field of ['subresource', 'namespace', 'name', 'fieldSelector', 'labelSelector'] as const)
    environment.function(
      field,
      member([resourceCheck, stringType], resourceCheck, (value: CheckValue, given: string) =>
        value.with(resourceCheck, { [field]: given }),
      ),
    );
}
