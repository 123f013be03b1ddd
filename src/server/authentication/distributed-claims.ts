/** Claims that a token does not hold but says where to ask for (OpenID Connect Core 1.0, section 5.6.2). */
import type { JWTPayload } from 'jose';
import { isJsonObject } from '../../api/index.ts';
import type { Clock } from '../../time/index.ts';
import { claimsOf, fetchText, issuerOf, openProvider, type ProviderOptions, RefusedDocument, type TokenVerifier } from './oidc-provider.ts';

/** As many providers as anybody has who hands out claims for another. */
const maxProviders = 64;

/** The claims of a verified token, with the one claim if another provider has it. Throws where that cannot be had. */
export type ClaimResolver = (claims: JWTPayload) => Promise<JWTPayload>;

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** `own`: the provider of the tokens; the others have to be trusted by the same authorities, and to name the same audience. */
export function claimResolver(claim: string, own: ProviderOptions, clock: Clock): ClaimResolver {
  const verifiers = new Map<string, TokenVerifier>();
  const verifierOf = (issuer: string): TokenVerifier => {
    const known = verifiers.get(issuer);
    if (known !== undefined) return known;
    if (verifiers.size >= maxProviders) verifiers.clear();
    const { discoveryUrl, ...shared } = own;
    const made = openProvider({ ...shared, issuer, ...(issuer === own.issuer && discoveryUrl ? { discoveryUrl } : {}) }, clock).verify;
    verifiers.set(issuer, made);
    return made;
  };

  const ask = async (endpoint: string, accessToken: string): Promise<unknown> => {
    const headers: Record<string, string> = accessToken === '' ? {} : { authorization: `Bearer ${accessToken}` };
    const jwt = await fetchText(endpoint, { clock, ca: own.ca, headers }).catch((error: Error) => {
      const why = error instanceof RefusedDocument ? `error while getting distributed claim JWT: ${error.status}` : error.message;
      throw new Error(`while getting distributed claim ${JSON.stringify(claim)}: ${why}`);
    });
    const token = jwt.trim();
    const answered = claimsOf(token);
    if (answered === undefined)
      throw new Error(`getting untrusted issuer from endpoint ${endpoint} failed for claim ${JSON.stringify(claim)}: malformed token`);
    const issuer = text(issuerOf(answered));
    if (!URL.canParse(issuer))
      throw new Error(`verifying untrusted issuer ${issuer} failed: verifier not initialized for issuer: "${issuer}"`);
    await verifierOf(issuer)(token, answered).catch((error: Error) => {
      throw new Error(`verify distributed claim token: ${error.message}`);
    });
    if (answered[claim] === undefined)
      throw new Error(`jwt returned by distributed claim endpoint ${JSON.stringify(endpoint)} did not contain claim: ${claim}`);
    return answered[claim];
  };

  return async (claims) => {
    const { _claim_names: names, _claim_sources: sources } = claims;
    if (claims[claim] !== undefined || names === undefined) return claims;
    if (!isJsonObject(names)) throw new Error('oidc: error parsing distributed claim names: it is no object');
    if (sources === undefined) throw new Error('oidc: no claim sources');
    if (!isJsonObject(sources)) throw new Error('oidc: could not parse claim sources: it is no object');
    if (!Object.hasOwn(names, claim)) return claims;
    const name = text(names[claim]);
    const source = Object.hasOwn(sources, name) ? sources[name] : undefined;
    if (!isJsonObject(source)) throw new Error(`id token _claim_names contained a source ${name} missing in _claims_sources`);
    const endpoint = text(source.endpoint);
    // A claim that is handed along ("aggregated") is not looked at.
    if (endpoint === '') return claims;
    if (!URL.canParse(endpoint))
      throw new Error(`while getting distributed claim ${JSON.stringify(claim)}: while calling ${endpoint}: invalid URI`);
    return { ...claims, [claim]: await ask(endpoint, text(source.access_token)) };
  };
}
