/** --authentication-config: an AuthenticationConfiguration of apiserver.config.k8s.io, read as kube-apiserver reads it at its start. */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import {
  CompileError,
  compileTokenExpression,
  FieldErrors,
  FieldPath,
  fieldErrorMessage,
  isJsonObject,
  type JsonObject,
} from '../api/index.ts';
import type { ClaimMapping, ClaimSource, ClusterApiServerOptions, OidcOptions, TokenRule } from '../server/index.ts';
import { ClusterError } from './cluster-error.ts';
import type { ComponentArgs } from './config.ts';
import { oidcFlags } from './oidc-flags.ts';

const versions = ['v1', 'v1beta1', 'v1alpha1'].map((version) => `apiserver.config.k8s.io/${version}`);
const maxProviders = 64;
/** Every asymmetric one, as upstream's structured authenticators take them. */
const algorithms = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512'];

const objectOf = (value: unknown): JsonObject => (isJsonObject(value) ? value : {});
const listOf = (value: unknown): JsonObject[] => (Array.isArray(value) ? value.map(objectOf) : []);
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

function validateUrl(url: string, at: FieldPath, errors: FieldErrors): void {
  if (!URL.canParse(url)) {
    errors.invalid(at, url, `parse ${JSON.stringify(url)}: invalid URI for request`);
    return;
  }
  const { protocol, search, hash, username, password } = new URL(url);
  if (protocol !== 'https:') errors.invalid(at, url, 'URL scheme must be https');
  if (username !== '' || password !== '') errors.invalid(at, url, 'URL must not contain a username or password');
  if (search !== '') errors.invalid(at, url, 'URL must not contain a query');
  if (hash !== '') errors.invalid(at, url, 'URL must not contain a fragment');
}

/** Compiled, or what is wrong with it noted; what comes of that is never used. */
function expressionOf(source: string, variable: 'claims' | 'user', kind: 'mapping' | 'rule', at: FieldPath, errors: FieldErrors) {
  try {
    return compileTokenExpression(source, variable, kind);
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    errors.invalid(at, source, error.message);
    return () => undefined;
  }
}

/** A claim or an expression; undefined where there is neither. */
function sourceOf(value: unknown, at: FieldPath, errors: FieldErrors, hasPrefix: boolean): ClaimSource | undefined {
  const given = objectOf(value);
  const [claim, source] = [textOf(given.claim), textOf(given.expression)];
  if (claim !== '' && source !== '') errors.invalid(at, '', "claim and expression can't both be set");
  if (source !== '') {
    if (given.prefix !== undefined) errors.invalid(at.child('prefix'), textOf(given.prefix), "prefix can't be set when expression is set");
    return { expression: expressionOf(source, 'claims', 'mapping', at.child('expression'), errors) };
  }
  if (claim === '') return undefined;
  if (hasPrefix && given.prefix === undefined)
    errors.required(at.child('prefix'), 'prefix is required when claim is set. It can be set to an empty string to disable prefixing');
  return { claim, prefix: textOf(given.prefix) };
}

function rulesOf(value: unknown, variable: 'claims' | 'user', at: FieldPath, errors: FieldErrors): TokenRule[] {
  return listOf(value).flatMap((rule, i) => {
    const source = textOf(rule.expression);
    if (source === '') return [];
    const expression = expressionOf(source, variable, 'rule', at.index(i).child('expression'), errors);
    return [{ expression, source, message: textOf(rule.message) }];
  });
}

function mappingOf(jwt: JsonObject, at: FieldPath, errors: FieldErrors): ClaimMapping {
  const mappings = objectOf(jwt.claimMappings);
  const below = at.child('claimMappings');
  const username = sourceOf(mappings.username, below.child('username'), errors, true);
  if (!username) errors.required(below.child('username'), 'claim or expression is required');
  const requiredClaims: Record<string, string> = {};
  const rules = at.child('claimValidationRules');
  for (const [i, rule] of listOf(jwt.claimValidationRules).entries()) {
    const [claim, expression] = [textOf(rule.claim), textOf(rule.expression)];
    if (claim !== '' && expression !== '') errors.invalid(rules.index(i), claim, "claim and expression can't both be set");
    if (claim === '' && expression === '') errors.required(rules.index(i), 'claim or expression is required');
    if (claim !== '' && rule.message)
      errors.invalid(rules.index(i).child('message'), textOf(rule.message), 'may not be specified when claim is set');
    if (claim !== '' && Object.hasOwn(requiredClaims, claim)) errors.duplicate(rules.index(i).child('claim'), claim);
    if (claim !== '') requiredClaims[claim] = textOf(rule.requiredValue);
  }
  return {
    username: username ?? { claim: '', prefix: '' },
    groups: sourceOf(mappings.groups, below.child('groups'), errors, true),
    uid: sourceOf(mappings.uid, below.child('uid'), errors, false),
    extra: listOf(mappings.extra).map((extra, i) => {
      const item = below.child('extra').index(i);
      const key = textOf(extra.key);
      if (key === '') errors.required(item.child('key'));
      else if (key !== key.toLowerCase()) errors.invalid(item.child('key'), key, 'key must be lowercase');
      const source = textOf(extra.valueExpression);
      if (source === '') errors.required(item.child('valueExpression'), 'valueExpression is required');
      return { key, expression: expressionOf(source || 'null', 'claims', 'mapping', item.child('valueExpression'), errors) };
    }),
    requiredClaims,
    claimRules: rulesOf(jwt.claimValidationRules, 'claims', rules, errors),
    userRules: rulesOf(jwt.userValidationRules, 'user', at.child('userValidationRules'), errors),
  };
}

function providerOf(jwt: JsonObject, at: FieldPath, errors: FieldErrors): OidcOptions {
  const issuer = objectOf(jwt.issuer);
  const below = at.child('issuer');
  const [url, discoveryUrl, ca, policy] = [issuer.url, issuer.discoveryURL, issuer.certificateAuthority, issuer.audienceMatchPolicy].map(
    textOf,
  );
  const audiences = Array.isArray(issuer.audiences) ? issuer.audiences.map(textOf) : [];
  if (!url) errors.required(below.child('url'));
  else validateUrl(url, below.child('url'), errors);
  if (discoveryUrl) {
    if (url?.replace(/\/+$/, '') === discoveryUrl.replace(/\/+$/, ''))
      errors.invalid(below.child('discoveryURL'), discoveryUrl, 'discoveryURL must be different from URL');
    validateUrl(discoveryUrl, below.child('discoveryURL'), errors);
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
  try {
    if (ca) new X509Certificate(ca);
  } catch {
    errors.invalid(below.child('certificateAuthority'), '<omitted>', 'data does not contain any valid RSA or ECDSA certificates');
  }
  return {
    ...{ issuer: url ?? '', audiences, algorithms, mapping: mappingOf(jwt, at, errors) },
    ...(discoveryUrl ? { discoveryUrl } : {}),
    ...(ca ? { ca } : {}),
  };
}

type Authentication = Pick<ClusterApiServerOptions['authentication'], 'oidc' | 'anonymousAuth'>;

/** What the file's text says; throws ClusterError in upstream's words. */
export function parseAuthenticationConfiguration(text: string, file: string, args: ComponentArgs): Authentication {
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    throw new ClusterError(
      `failed to read authentication config file ${JSON.stringify(file)}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  const { kind = '', apiVersion = '', jwt, anonymous } = objectOf(document);
  if (kind !== 'AuthenticationConfiguration' || !versions.includes(String(apiVersion)))
    throw new ClusterError(`${file}: no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`);
  const errors = new FieldErrors();
  const root = new FieldPath('jwt');
  const providers = listOf(jwt);
  if (providers.length > maxProviders)
    throw new ClusterError(`jwt: Too many: ${providers.length}: must have at most ${maxProviders} items`);
  const oidc = providers.map((provider, i) => providerOf(provider, root.index(i), errors));
  for (const [i, { issuer }] of oidc.entries())
    if (issuer !== '' && oidc.findIndex((other) => other.issuer === issuer) < i)
      errors.duplicate(root.index(i).child('issuer', 'url'), issuer);
  const { enabled, conditions } = objectOf(anonymous);
  const paths = listOf(conditions).map(({ path }) => textOf(path));
  if (anonymous !== undefined && args['anonymous-auth'] !== undefined)
    throw new ClusterError('--anonymous-auth flag cannot be set when anonymous field is configured in authentication configuration file');
  if (anonymous !== undefined && enabled !== true && paths.length > 0)
    errors.invalid(new FieldPath('anonymous').child('conditions'), conditions, 'enabled should be set to true when conditions are defined');
  if (!errors.ok) throw new ClusterError(`error validating authentication configuration: ${errors.list.map(fieldErrorMessage).join(', ')}`);
  if (anonymous === undefined) return { oidc };
  const allowed = new Set(paths);
  return { oidc, anonymousAuth: enabled === true && allowed.size > 0 ? (path) => allowed.has(path) : enabled === true };
}

/** Nothing without the flag. */
export async function authenticationConfiguration(
  args: ComponentArgs,
): Promise<{ authentication: Authentication; followed?: { file: string; text: string } }> {
  const file = args['authentication-config'];
  if (!file) return { authentication: {} };
  if (oidcFlags.some((name) => args[name])) throw new ClusterError('authentication-config file and oidc-* flags are mutually exclusive');
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw new ClusterError(`failed to read authentication config file ${JSON.stringify(file)}: ${error.message}`);
  });
  return { authentication: parseAuthenticationConfiguration(text, file, args), followed: { file, text } };
}
