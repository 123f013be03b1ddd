import { expect, test } from 'vitest';
import { servingOptions } from './serving-flags.ts';

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
  [{ 'goaway-chance': 'x' }, '--goaway-chance can not be less than 0 or greater than 0.02'],
])('%o is refused', (args, message) => {
  expect(() => servingOptions(args)).toThrow(message);
});
