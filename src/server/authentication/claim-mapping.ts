/** From the claims of a verified token to a user, as AuthenticationConfiguration and the --oidc-* flags say it. */
import type { JWTPayload } from 'jose';
import type { TokenExpression } from '../../api/index.ts';
import type { UserInfo } from '../request.ts';

/** A claim by name, with what comes in front of it, or an expression. */
export type ClaimSource = { claim: string; prefix: string } | { expression: TokenExpression };

export interface TokenRule {
  expression: TokenExpression;
  /** As it stands in the configuration, for messages. */
  source: string;
  message?: string;
}

export interface ClaimMapping {
  username: ClaimSource;
  groups?: ClaimSource | undefined;
  uid?: ClaimSource | undefined;
  extra?: readonly { key: string; expression: TokenExpression }[];
  requiredClaims: Readonly<Record<string, string>>;
  claimRules?: readonly TokenRule[];
  userRules?: readonly TokenRule[];
}

const because = (what: string, error: unknown) =>
  new Error(`oidc: error evaluating ${what}: ${error instanceof Error ? error.message : String(error)}`);

function evaluated(what: string, expression: TokenExpression, value: unknown): unknown {
  try {
    return expression(value);
  } catch (error) {
    throw because(what, error);
  }
}

function textClaim(claims: JWTPayload, name: string, what: string): string {
  const value = claims[name];
  const wrong = (why: string) => new Error(`oidc: parse ${what} ${JSON.stringify(name)}: ${why}`);
  if (value === undefined) throw wrong('claim not present');
  if (typeof value !== 'string') throw wrong('json: cannot unmarshal into Go value of type string');
  return value;
}

function usernameOf(claims: JWTPayload, source: ClaimSource): string {
  if ('expression' in source) {
    const value = evaluated('username claim expression', source.expression, claims);
    if (typeof value !== 'string') throw because('username claim expression', 'username claim expression must return a string');
    if (value === '') throw new Error('oidc: empty username via CEL expression is not allowed');
    return value;
  }
  const name = textClaim(claims, source.claim, 'username claims');
  // Where a provider says nothing of it, it is taken for verified.
  if (source.claim === 'email' && claims.email_verified !== undefined && claims.email_verified !== true)
    throw new Error('oidc: email not verified');
  return source.prefix + name;
}

/** Text, a list of text, or nothing. */
function texts(value: unknown, problem: () => Error): string[] {
  if (value === undefined || value === null || value === '') return [];
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.map((item) => {
    if (typeof item !== 'string') throw problem();
    return item;
  });
}

const textsExpected = 'expression must return a string or a list of strings';

function groupsOf(claims: JWTPayload, source: ClaimSource | undefined): string[] {
  if (source === undefined) return [];
  if ('expression' in source) {
    const what = 'group claim expression';
    return texts(evaluated(what, source.expression, claims), () => because(what, textsExpected));
  }
  const wrong = () =>
    new Error(`oidc: parse groups claim ${JSON.stringify(source.claim)}: json: cannot unmarshal into Go value of type string`);
  return texts(claims[source.claim], wrong).map((group) => source.prefix + group);
}

function uidOf(claims: JWTPayload, source: ClaimSource | undefined): string {
  if (source === undefined) return '';
  if (!('expression' in source)) return textClaim(claims, source.claim, 'uid claim');
  const value = evaluated('uid claim expression', source.expression, claims);
  if (typeof value !== 'string') throw because('uid claim expression', 'uid claim expression must return a string');
  return value;
}

function holds(what: string, rules: readonly TokenRule[] | undefined, value: unknown): void {
  for (const { expression, source, message = '' } of rules ?? []) {
    const result = evaluated(what, expression, value);
    if (typeof result !== 'boolean') throw because(what, 'validation expression must return a boolean');
    if (!result) throw because(what, `validation expression '${source}' failed: ${message}`);
  }
}

/** @throws Error in upstream's words for claims that do not make a user */
export function userOfClaims(claims: JWTPayload, mapping: ClaimMapping): UserInfo {
  const name = usernameOf(claims, mapping.username);
  const groups = groupsOf(claims, mapping.groups);
  const uid = uidOf(claims, mapping.uid);
  const extra: Record<string, string[]> = {};
  for (const { key, expression } of mapping.extra ?? []) {
    const what = 'extra claim expression';
    const values = texts(evaluated(what, expression, claims), () => because(what, textsExpected));
    if (values.length > 0) extra[key] = values;
  }
  if (claims.jti) extra['authentication.kubernetes.io/credential-id'] = [`JTI=${claims.jti}`];
  for (const [claim, wanted] of Object.entries(mapping.requiredClaims)) {
    if (claims[claim] === undefined) throw new Error(`oidc: required claim ${claim} not present in ID token`);
    if (claims[claim] !== wanted)
      throw new Error(`oidc: required claim ${claim} value does not match. Got = ${claims[claim]}, want = ${wanted}`);
  }
  holds('claim validation expression', mapping.claimRules, claims);
  holds('user info validation rule', mapping.userRules, { username: name, uid, groups, extra });
  return { name, groups, ...(uid ? { uid } : {}), ...(Object.keys(extra).length > 0 ? { extra } : {}) };
}
