import { expect, test } from 'vitest';
import { identityOptions } from './identity-flags.ts';
import { servingOptions } from './serving-flags.ts';
import { tlsOptions } from './tls-flags.ts';

test('serving flags are read as kube-apiserver reads them', () => {
  expect(servingOptions({})).toEqual({
    flowControl: { priorityAndFairness: true, dumps: false },
    http: { goawayChance: 0 },
    shutdown: { delaySeconds: 0, sendRetryAfter: false },
  });
  expect(
    servingOptions({
      'enable-priority-and-fairness': 'false',
      profiling: 'true',
      'max-requests-inflight': '10',
      'max-mutating-requests-inflight': '0',
      'request-timeout': '1m30s',
      'min-request-timeout': '60',
      'goaway-chance': '.001',
      'shutdown-delay-duration': '5s',
      'shutdown-send-retry-after': 'true',
    }),
  ).toEqual({
    flowControl: { priorityAndFairness: false, dumps: true, maxRequestsInFlight: 10, maxMutatingRequestsInFlight: 0 },
    http: { goawayChance: 0.001 },
    requestTimeoutSeconds: 90,
    minRequestTimeoutSeconds: 60,
    shutdown: { delaySeconds: 5, sendRetryAfter: true },
  });
});

test.each([
  [{ 'max-requests-inflight': '-1' }, '--max-requests-inflight can not be negative value'],
  [{ 'max-requests-inflight': 'many' }, 'invalid argument "many" for "--max-requests-inflight"'],
  [{ 'request-timeout': '-1s' }, '--request-timeout can not be negative value'],
  [{ 'request-timeout': '60' }, 'time: invalid duration "60"'],
  [{ 'goaway-chance': '0.5' }, '--goaway-chance can not be less than 0 or greater than 0.02'],
  [{ 'livez-grace-period': '-1s' }, '--livez-grace-period can not be negative value'],
  [
    { 'cors-allowed-origins': 'example\\.com' },
    '--cors-allowed-origins has an invalid regular expression: regular expression does not pin to start/end of host in the origin header, help: ',
  ],
  [{ 'cors-allowed-origins': '^(://a$' }, '--cors-allowed-origins has an invalid regular expression: '],
  [{ 'cors-allowed-origins': '//a$,' }, 'empty value in --cors-allowed-origins'],
  [
    { 'strict-transport-security-directives': 'forever' },
    '--strict-transport-security-directives invalid, allowed values: max-age=expireTime',
  ],
  [{ 'strict-transport-security-directives': 'preload,' }, 'empty value in strict-transport-security-directives'],
  [{ 'goaway-chance': 'x' }, '--goaway-chance can not be less than 0 or greater than 0.02'],
])('%o is refused', (args, message) => {
  expect(() => servingOptions(args)).toThrow(message);
});

test('whose pages may ask is told by expressions of whole hosts', () => {
  const { http } = servingOptions({ 'cors-allowed-origins': '//example\\.com(:|$),^https://.*\\.test$' });
  const allows = (origin: string) => http?.browsers?.allowsOrigin?.(origin);
  expect(['https://example.com', 'http://example.com:8080', 'https://a.test'].map(allows)).toEqual([true, true, true]);
  expect(['https://example.com.evil', 'https://a.test.evil', 'null'].map(allows)).toEqual([false, false, false]);
});

test('flags of identities are read as kube-apiserver reads them', () => {
  expect(identityOptions({}, 'https://here')).toEqual({
    identity: { issuers: ['https://here'], bootstrapTokenAuth: true, serviceAccountLookup: true, extendTokenExpiration: true },
    requestHeader: {},
  });
  const args = {
    'service-account-issuer': 'https://new,https://old',
    'service-account-max-token-expiration': '2h',
    'service-account-extend-token-expiration': 'false',
    'requestheader-username-headers': 'X-User,X-Other',
  };
  expect(identityOptions(args, 'https://here')).toMatchObject({
    identity: { issuers: ['https://new', 'https://old'], maxTokenSeconds: 7200, extendTokenExpiration: false },
    requestHeader: { usernameHeaders: ['X-User', 'X-Other'] },
  });
  expect(() => identityOptions({ 'service-account-max-token-expiration': '10m' }, '')).toThrow(
    'the service-account-max-token-expiration must be between 1 hour and 2^32 seconds',
  );
  expect(() => identityOptions({ 'service-account-issuer': '://no' }, '')).toThrow(
    "service-account-issuer contained a ':' but was not a valid URL: ://no",
  );
});

test('versions and suites of TLS have Go’s names', () => {
  expect(tlsOptions({})).toEqual({});
  const suites = 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305,TLS_RSA_WITH_AES_256_CBC_SHA';
  expect(tlsOptions({ 'tls-min-version': 'VersionTLS13', 'tls-cipher-suites': suites })).toEqual({
    minVersion: 'TLSv1.3',
    ciphers:
      'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:AES256-SHA',
  });
  expect(() => tlsOptions({ 'tls-min-version': 'VersionSSL3' })).toThrow('unknown tls version "VersionSSL3"');
  expect(() => tlsOptions({ 'tls-cipher-suites': 'TLS_NULL' })).toThrow("Cipher suite TLS_NULL not supported or doesn't exist");
});
