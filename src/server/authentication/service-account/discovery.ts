import { createPublicKey } from 'node:crypto';
import { algorithmOf, keyIdOf } from './token-issuer.ts';

/** GET /.well-known/openid-configuration (KEP-1393). */
export function openIdConfiguration(options: { issuer: string; jwksUri?: string; serverUrl: string; keys: readonly string[] }) {
  return {
    issuer: options.issuer,
    jwks_uri: options.jwksUri ?? `${options.serverUrl}/openid/v1/jwks`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [...new Set(options.keys.map((pem) => algorithmOf(createPublicKey(pem))))].sort(),
  };
}

/** GET /openid/v1/jwks, served as application/jwk-set+json. */
export function openIdKeys(keys: readonly string[]) {
  return {
    keys: keys.map((pem) => {
      const key = createPublicKey(pem);
      return { use: 'sig', ...key.export({ format: 'jwk' }), kid: keyIdOf(key), alg: algorithmOf(key) };
    }),
  };
}
