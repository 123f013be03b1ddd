/** From the claims of a verified token to a user, as AuthenticationConfiguration and the --oidc-* flags say it. */
import type { JWTPayload } from 'jose';
import type { TokenExpression } from '../../api/index.ts';
import type { UserInfo } from '../request.ts';

/** An expression, and how it stands in the configuration, for messages. */
export interface SourcedExpression {
  expression: TokenExpression;
  source: string;
}

/** A claim by name, with what comes in front of it, or an expression. */
export type ClaimSource = { claim: string; prefix: string } | SourcedExpression;

export interface TokenRule extends SourcedExpression {
  message?: string;
}

export interface ClaimMapping {
  username: ClaimSource;
  groups?: ClaimSource | undefined;
  uid?: ClaimSource | undefined;
  extra?: readonly ({ key: string } & SourcedExpression)[];
  requiredClaims: Readonly<Record<string, string>>;
  claimRules?: readonly TokenRule[];
  userRules?: readonly TokenRule[];
}

const because = (what: string, error: unknown) =>
  new Error(`oidc: error evaluating ${what}: ${error instanceof Error ? error.message : String(error)}`);

function evaluated({ expression, source }: SourcedExpression, value: unknown): unknown {
  try {
    return expression(value);
  } catch (error) {
    throw new Error(`expression '${source}' resulted in error: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function evaluatedFor(what: string, sourced: SourcedExpression, value: unknown): unknown {
  try {
    return evaluated(sourced, value);
  } catch (error) {
    throw because(what, error);
  }
}

/** What Go's JSON decoder calls a value, when it should have been something else. */
function jsonKind(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}
const unmarshalProblem = (value: unknown, type: string) => `json: cannot unmarshal ${jsonKind(value)} into Go value of type ${type}`;

/** A claim's text; null is the empty one, as for Go. */
function textClaim(claims: JWTPayload, name: string, what: string): string {
  const value = claims[name];
  const wrong = (why: string) => new Error(`oidc: parse ${what}: ${why}`);
  if (value === undefined) throw wrong('claim not present');
  if (value === null) return '';
  if (typeof value !== 'string') throw wrong(unmarshalProblem(value, 'string'));
  return value;
}

/** Where a provider says nothing of it, an address is taken for verified. */
function checkEmail({ email_verified: verified }: JWTPayload): void {
  if (verified === undefined || verified === true) return;
  if (verified !== false && verified !== null) throw new Error(`oidc: parse 'email_verified' claim: ${unmarshalProblem(verified, 'bool')}`);
  throw new Error('oidc: email not verified');
}

function usernameOf(claims: JWTPayload, source: ClaimSource): string {
  if ('expression' in source) {
    const value = evaluatedFor('username claim expression', source, claims);
    if (typeof value !== 'string') throw because('username claim expression', 'username claim expression must return a string');
    if (value === '') throw new Error('oidc: empty username via CEL expression is not allowed');
    return value;
  }
  const name = textClaim(claims, source.claim, `username claims ${JSON.stringify(source.claim)}`);
  if (source.claim === 'email') checkEmail(claims);
  return source.prefix + name;
}

/** Of an expression: text, a list of text, or nothing; empty texts count for nothing. */
function texts(value: unknown, problem: (why: string) => Error): string[] {
  if (value === null) return [];
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.flatMap((item) => {
    if (typeof item !== 'string') throw problem('expression must return a string or a list of strings');
    return item === '' ? [] : [item];
  });
}

function groupsOf(claims: JWTPayload, source: ClaimSource | undefined): string[] {
  if (source === undefined) return [];
  if ('expression' in source) {
    const what = 'group claim expression';
    return texts(evaluatedFor(what, source, claims), (why) => because(what, why));
  }
  const value = claims[source.claim];
  if (value === undefined || value === null) return [];
  const list: unknown[] = Array.isArray(value) ? value : [value];
  if (!list.every((group) => typeof group === 'string'))
    throw new Error(`oidc: parse groups claim ${JSON.stringify(source.claim)}: ${unmarshalProblem(value, 'string')}`);
  return list.map((group) => source.prefix + group);
}

function uidOf(claims: JWTPayload, source: ClaimSource | undefined): string {
  if (source === undefined) return '';
  if (!('expression' in source)) return textClaim(claims, source.claim, `uid claim ${JSON.stringify(source.claim)}`);
  const value = evaluatedFor('uid claim expression', source, claims);
  if (typeof value !== 'string') throw because('uid claim expression', 'uid claim expression must return a string');
  return value;
}

function extraOf(claims: JWTPayload, { extra: mappings = [] }: ClaimMapping): Record<string, string[]> {
  const extra: Record<string, string[]> = {};
  if (typeof claims.jti === 'string' && claims.jti !== '') extra['authentication.kubernetes.io/credential-id'] = [`JTI=${claims.jti}`];
  // All are evaluated before any is looked at, here and for rules: what fails is told before what is wrong.
  for (const [{ key, ...sourced }, value] of mappings.map((mapping) => [mapping, evaluated(mapping, claims)] as const)) {
    const values = texts(value, (why) => because('extra claim expression', `${sourced.source}: ${why}`));
    if (values.length > 0) extra[key] = values;
  }
  return extra;
}

function checkRequired(claims: JWTPayload, required: Readonly<Record<string, string>>): void {
  for (const [claim, wanted] of Object.entries(required)) {
    if (claims[claim] === undefined) throw new Error(`oidc: required claim ${claim} not present in ID token`);
    const given = textClaim(claims, claim, `claim ${claim}`);
    if (given !== wanted) throw new Error(`oidc: required claim ${claim} value does not match. Got = ${given}, want = ${wanted}`);
  }
}

function holds(what: string, rules: readonly TokenRule[] | undefined, value: unknown): void {
  for (const [rule, result] of (rules ?? []).map((rule) => [rule, evaluatedFor(what, rule, value)] as const)) {
    if (typeof result !== 'boolean') throw because(what, 'validation expression must return a boolean');
    if (!result) throw because(what, `validation expression '${rule.source}' failed: ${rule.message ?? ''}`);
  }
}

/** @throws Error in upstream's words for claims that do not make a user */
export function userOfClaims(claims: JWTPayload, mapping: ClaimMapping): UserInfo {
  const name = usernameOf(claims, mapping.username);
  const groups = groupsOf(claims, mapping.groups);
  const uid = uidOf(claims, mapping.uid);
  const extra = extraOf(claims, mapping);
  checkRequired(claims, mapping.requiredClaims);
  holds('claim validation expression', mapping.claimRules, claims);
  holds('user info validation rule', mapping.userRules, { username: name, uid, groups, extra });
  return { name, groups, ...(uid ? { uid } : {}), ...(Object.keys(extra).length > 0 ? { extra } : {}) };
}
