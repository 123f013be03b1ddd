/** --authentication-config: an AuthenticationConfiguration of apiserver.config.k8s.io, read as kube-apiserver reads it at its start. */
import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import {
  aggregateMessage,
  CompileError,
  compileTokenExpression,
  FieldErrors,
  FieldPath,
  fieldErrorMessage,
  isJsonObject,
  type JsonObject,
  validateDomainPrefixedPath,
} from '../api/index.ts';
import type { ClaimMapping, ClaimSource, ClusterApiServerOptions, OidcOptions, SourcedExpression, TokenRule } from '../server/index.ts';
import { ClusterError } from './cluster-error.ts';
import type { ComponentArgs } from './config.ts';
import { type KnownFields, listOf, objectOf, parseConfiguration, textOf } from './configuration-document.ts';
import { oidcFlags } from './oidc-flags.ts';
import { validateAuthority, validateIssuerUrl } from './provider-validation.ts';

const maxProviders = 64;
/** Every asymmetric one, as upstream's structured authenticators take them. */
const algorithms = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512'];

const source = ['claim', 'prefix', 'expression'];
const fields: KnownFields = {
  '': ['kind', 'apiVersion', 'jwt', 'anonymous'],
  jwt: ['issuer', 'claimValidationRules', 'claimMappings', 'userValidationRules'],
  'jwt.issuer': ['url', 'discoveryURL', 'certificateAuthority', 'audiences', 'audienceMatchPolicy', 'egressSelectorType'],
  'jwt.claimValidationRules': ['claim', 'requiredValue', 'expression', 'message'],
  'jwt.claimMappings': ['username', 'groups', 'uid', 'extra'],
  'jwt.claimMappings.username': source,
  'jwt.claimMappings.groups': source,
  'jwt.claimMappings.uid': ['claim', 'expression'],
  'jwt.claimMappings.extra': ['key', 'valueExpression'],
  'jwt.userValidationRules': ['expression', 'message'],
  anonymous: ['enabled', 'conditions'],
  'anonymous.conditions': ['path'],
};

/** Compiled, or what is wrong with it noted; what comes of that is never used. */
function expressionOf(
  source: string,
  variable: 'claims' | 'user',
  kind: 'mapping' | 'rule',
  at: FieldPath,
  errors: FieldErrors,
): SourcedExpression {
  try {
    return { expression: compileTokenExpression(source, variable, kind), source };
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    errors.invalid(at, source, error.message);
    return { expression: Object.assign(() => undefined, { selects: () => false }), source };
  }
}

/** A claim or an expression; undefined where there is neither. */
function sourceOf(value: unknown, at: FieldPath, errors: FieldErrors, hasPrefix: boolean): ClaimSource | undefined {
  const given = objectOf(value);
  const [claim, source] = [textOf(given.claim), textOf(given.expression)];
  if (claim !== '' && source !== '') {
    errors.invalid(at, '', "claim and expression can't both be set");
    return { claim, prefix: '' };
  }
  if (source !== '') {
    if (given.prefix !== undefined) errors.invalid(at.child('prefix'), textOf(given.prefix), 'may not be specified when expression is set');
    return expressionOf(source, 'claims', 'mapping', at.child('expression'), errors);
  }
  if (claim === '') return undefined;
  if (hasPrefix && given.prefix === undefined)
    errors.required(at.child('prefix'), 'prefix is required when claim is set. It can be set to an empty string to disable prefixing');
  return { claim, prefix: textOf(given.prefix) };
}

/** Each expression once. */
function expressionRules(rules: readonly JsonObject[], variable: 'claims' | 'user', at: FieldPath, errors: FieldErrors): TokenRule[] {
  const seen = new Set<string>();
  return rules.flatMap((rule, i) => {
    const source = textOf(rule.expression);
    const place = at.index(i).child('expression');
    if (source === '' || textOf(rule.claim) !== '') return [];
    if (seen.has(source)) errors.duplicate(place, source);
    else {
      seen.add(source);
      return [{ ...expressionOf(source, variable, 'rule', place, errors), message: textOf(rule.message) }];
    }
    return [];
  });
}

function requiredClaimsOf(rules: readonly JsonObject[], at: FieldPath, errors: FieldErrors): Record<string, string> {
  const required: Record<string, string> = {};
  for (const [i, rule] of rules.entries()) {
    const place = at.index(i);
    const [claim, expression] = [textOf(rule.claim), textOf(rule.expression)];
    if (claim !== '' && expression !== '') errors.invalid(place, claim, "claim and expression can't both be set");
    else if (claim === '' && expression === '') errors.required(place, 'claim or expression is required');
    else if (claim === '') {
      if (rule.requiredValue)
        errors.invalid(place.child('requiredValue'), textOf(rule.requiredValue), 'may not be specified when expression is set');
    } else {
      if (rule.message) errors.invalid(place.child('message'), textOf(rule.message), 'may not be specified when claim is set');
      if (Object.hasOwn(required, claim)) errors.duplicate(place.child('claim'), claim);
      required[claim] = textOf(rule.requiredValue);
    }
  }
  return required;
}

const reserved = ['kubernetes.io', 'k8s.io'];

/** Keys of extra values are paths below the domain of who means something by them, and not of Kubernetes'. */
function validateExtraKey(key: string, at: FieldPath, errors: FieldErrors): void {
  const domain = key.slice(0, Math.max(key.indexOf('/'), 0));
  validateDomainPrefixedPath(key, at, errors);
  if (key !== key.toLowerCase()) errors.invalid(at, key, 'must be lowercase');
  if (reserved.some((own) => domain === own || domain.endsWith(`.${own}`)))
    errors.invalid(at, key, 'k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use');
}

function extraOf(extra: readonly JsonObject[], at: FieldPath, errors: FieldErrors): ({ key: string } & SourcedExpression)[] {
  const seen = new Set<string>();
  return extra.flatMap((mapping, i) => {
    const item = at.index(i);
    const [key, source] = [textOf(mapping.key), textOf(mapping.valueExpression)];
    validateExtraKey(key, item.child('key'), errors);
    if (seen.has(key)) errors.duplicate(item.child('key'), key);
    else if (source === '') errors.required(item.child('valueExpression'));
    else {
      seen.add(key);
      return [{ key, ...expressionOf(source, 'claims', 'mapping', item.child('valueExpression'), errors) }];
    }
    seen.add(key);
    return [];
  });
}

function mappingOf(jwt: JsonObject, at: FieldPath, errors: FieldErrors): ClaimMapping {
  const rules = listOf(jwt.claimValidationRules);
  const requiredClaims = requiredClaimsOf(rules, at.child('claimValidationRules'), errors);
  const claimRules = expressionRules(rules, 'claims', at.child('claimValidationRules'), errors);

  const mappings = objectOf(jwt.claimMappings);
  const below = at.child('claimMappings');
  const username = sourceOf(mappings.username, below.child('username'), errors, true);
  if (!username) errors.required(below.child('username'), 'claim or expression is required');
  const groups = sourceOf(mappings.groups, below.child('groups'), errors, true);
  const uid = sourceOf(mappings.uid, below.child('uid'), errors, false);
  const extra = extraOf(listOf(mappings.extra), below.child('extra'), errors);
  // An address that nobody has verified could be anybody's.
  if (username && 'expression' in username && username.expression.selects('email')) {
    const looks = [username, ...extra, ...claimRules].some(({ expression }) => expression.selects('email_verified'));
    if (!looks)
      errors.invalid(
        below.child('username', 'expression'),
        username.source,
        'claims.email_verified must be used in claimMappings.username.expression or claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression',
      );
  }

  const userRules = listOf(jwt.userValidationRules);
  for (const [i, rule] of userRules.entries())
    if (textOf(rule.expression) === '') errors.required(at.child('userValidationRules').index(i).child('expression'));
  return {
    username: username ?? { claim: '', prefix: '' },
    ...{ groups, uid, extra, requiredClaims, claimRules },
    userRules: expressionRules(userRules, 'user', at.child('userValidationRules'), errors),
  };
}

/** Servers of this sort reach everything directly: there is no network that a provider could be in instead. */
function validateEgress(type: string, at: FieldPath, errors: FieldErrors): void {
  if (type === '') return;
  if (type !== 'controlplane' && type !== 'cluster') errors.invalid(at, type, 'egress selector must be either controlplane or cluster');
  else errors.invalid(at, type, `oidc: egress lookup required with egress selector type ${JSON.stringify(type)}`);
}

function providerOf(jwt: JsonObject, at: FieldPath, errors: FieldErrors, disallowed?: readonly string[]): OidcOptions {
  const issuer = objectOf(jwt.issuer);
  const below = at.child('issuer');
  const [url, discoveryUrl, ca, policy] = [issuer.url, issuer.discoveryURL, issuer.certificateAuthority, issuer.audienceMatchPolicy].map(
    textOf,
  );
  const audiences = Array.isArray(issuer.audiences) ? issuer.audiences.map(textOf) : [];
  if (!url) errors.required(below.child('url'));
  else validateIssuerUrl(url, below.child('url'), errors, disallowed);
  if (discoveryUrl) {
    if (url?.replace(/\/+$/, '') === discoveryUrl.replace(/\/+$/, ''))
      errors.invalid(below.child('discoveryURL'), discoveryUrl, 'discoveryURL must be different from URL');
    validateIssuerUrl(discoveryUrl, below.child('discoveryURL'), errors);
  }
  if (audiences.length === 0) errors.required(below.child('audiences'), `at least one ${below.child('audiences')} is required`);
  for (const [i, audience] of audiences.entries()) {
    if (audience === '') errors.required(below.child('audiences').index(i));
    else if (audiences.indexOf(audience) < i) errors.duplicate(below.child('audiences').index(i), audience);
  }
  if (audiences.length > 1 && policy !== 'MatchAny')
    errors.invalid(below.child('audienceMatchPolicy'), policy ?? '', 'audienceMatchPolicy must be MatchAny for multiple audiences');
  if (audiences.length === 1 && policy && policy !== 'MatchAny')
    errors.invalid(below.child('audienceMatchPolicy'), policy, 'audienceMatchPolicy must be empty or MatchAny for single audience');
  if (ca) validateAuthority(ca, below.child('certificateAuthority'), errors);
  validateEgress(textOf(issuer.egressSelectorType), below.child('egressSelectorType'), errors);
  return {
    ...{ issuer: url ?? '', audiences, algorithms, mapping: mappingOf(jwt, at, errors) },
    ...(discoveryUrl ? { discoveryUrl } : {}),
    ...(ca ? { ca } : {}),
  };
}

type Authentication = Pick<ClusterApiServerOptions['authentication'], 'oidc' | 'anonymousAuth'>;

export interface AuthenticationConfigurationRules {
  /** This server's own issuers. */
  disallowed?: readonly string[];
  /** What the file has said of strangers at the start, where this is another time: it must say so still. */
  anonymous?: { initially: unknown };
}

/** What the file's text says; throws ClusterError in upstream's words. */
export function parseAuthenticationConfiguration(
  text: string,
  { disallowed, anonymous: before }: AuthenticationConfigurationRules = {},
): { authentication: Authentication; anonymous: unknown } {
  if (text === '') throw new ClusterError('empty config data');
  const { jwt, anonymous } = parseConfiguration(text, 'AuthenticationConfiguration', fields, (why) => new ClusterError(why));
  const errors = new FieldErrors();
  const root = new FieldPath('jwt');
  const providers = listOf(jwt);
  if (providers.length > maxProviders)
    throw new ClusterError(`jwt: Too many: ${providers.length}: must have at most ${maxProviders} items`);
  const oidc = providers.map((provider, i) => {
    const one = providerOf(provider, root.index(i), errors, disallowed);
    const same = (of: (jwt: JsonObject) => unknown) =>
      providers.findIndex((other) => of(objectOf(other.issuer)) === of(objectOf(provider.issuer))) < i;
    if (same(({ url }) => textOf(url))) errors.duplicate(root.index(i).child('issuer', 'url'), one.issuer);
    if (one.discoveryUrl !== undefined && same(({ discoveryURL }) => discoveryURL))
      errors.duplicate(root.index(i).child('issuer', 'discoveryURL'), one.discoveryUrl);
    return one;
  });
  const { enabled, conditions } = objectOf(anonymous);
  const paths = listOf(conditions).map(({ path }) => textOf(path));
  const at = new FieldPath('anonymous');
  if (isJsonObject(anonymous) && enabled !== true && paths.length > 0)
    errors.invalid(at.child('conditions'), conditions, 'enabled should be set to true when conditions are defined');
  if (before !== undefined && !isDeepStrictEqual(anonymous, before.initially))
    errors.forbidden(at, 'changed from initial configuration file');
  if (!errors.ok) throw new ClusterError(aggregateMessage(errors.list.map(fieldErrorMessage)));
  if (!isJsonObject(anonymous)) return { authentication: { oidc }, anonymous };
  const allowed = new Set(paths);
  const anonymousAuth = enabled === true && allowed.size > 0 ? (path: string) => allowed.has(path) : enabled === true;
  return { authentication: { oidc, anonymousAuth }, anonymous };
}

/** A configuration that is followed: what its file says now, and the providers that it may name later. */
export interface FollowedAuthentication {
  file: string;
  text: string;
  parse(text: string): readonly OidcOptions[];
}

/** Nothing without the flag. */
export async function authenticationConfiguration(
  args: ComponentArgs,
  disallowed: readonly string[] = [],
): Promise<{ authentication: Authentication; followed?: FollowedAuthentication }> {
  const file = args['authentication-config'];
  if (!file) return { authentication: {} };
  if (oidcFlags.some((name) => args[name])) throw new ClusterError('authentication-config file and oidc-* flags are mutually exclusive');
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new ClusterError(error.code === 'ENOENT' ? `open ${file}: no such file or directory` : error.message);
  });
  const { authentication, anonymous } = parseAuthenticationConfiguration(text, { disallowed });
  if (authentication.anonymousAuth !== undefined && args['anonymous-auth'] !== undefined)
    throw new ClusterError(
      // With upstream's slip.
      'anonymous: Forbidden: --anonynous-auth flag cannot be set when anonymous field is configured in authentication configuration file',
    );
  const parse = (next: string) =>
    parseAuthenticationConfiguration(next, { disallowed, anonymous: { initially: anonymous } }).authentication.oidc ?? [];
  return { authentication, followed: { file, text, parse } };
}
