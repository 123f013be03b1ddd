import { expect, test } from 'vitest';
import { type authenticationV1, type authorizationV1, errors } from '../api/index.ts';
import { VirtualClock } from '../time/index.ts';
import type { Client } from './client.ts';
import { createDelegation } from './delegation.ts';

type Review = authenticationV1.TokenReview | authorizationV1.SubjectAccessReview;

function delegation() {
  const asked: Review['spec'][] = [];
  const state = { failing: false };
  const clock = new VirtualClock();
  const client: Pick<Client, 'create'> = {
    async create(_resource, review) {
      const { spec } = review as unknown as Review; // nothing else is created
      asked.push(spec);
      if (state.failing) throw errors.serviceUnavailable('not now');
      const known = 'token' in spec && spec.token === 'good';
      const status =
        'token' in spec
          ? { authenticated: known, ...(known ? { user: { username: 'ann', uid: '1', groups: ['dev'], extra: { scopes: ['a'] } } } : {}) }
          : { allowed: 'nonResourceAttributes' in spec && spec.nonResourceAttributes?.verb === 'get', reason: 'said so' };
      return { ...review, status } as never;
    },
  };
  const options = { clock, tokens: { yesMs: 1000, noMs: 100 }, access: { yesMs: 1000, noMs: 100 } };
  return { ...createDelegation({ client: client as Client, ...options }), asked, state, clock };
}

const ann = { name: 'ann', uid: '1', groups: ['dev'], extra: { scopes: ['a'] } };

test('a token is reviewed once in a while, a bad one sooner again', async () => {
  const { userOf, asked, clock } = delegation();
  expect(await Promise.all([userOf('good'), userOf('good'), userOf('bad')])).toEqual([ann, ann, undefined]);
  expect(asked).toEqual([{ token: 'good' }, { token: 'bad' }]);
  await clock.advance(500);
  await userOf('good');
  await userOf('bad');
  expect(asked.slice(2)).toEqual([{ token: 'bad' }]);
  await clock.advance(600);
  await userOf('good');
  expect(asked.slice(3)).toEqual([{ token: 'good' }]);
});

test('access is reviewed with all that is known of the user, apart for each thing asked', async () => {
  const { decide, asked } = delegation();
  const nonResourceAttributes = { path: '/metrics', verb: 'get' };
  expect(await decide(ann, { nonResourceAttributes })).toEqual({ allowed: true, denied: false, reason: 'said so' });
  await decide(ann, { nonResourceAttributes });
  expect(await decide(ann, { nonResourceAttributes: { path: '/metrics', verb: 'post' } })).toMatchObject({ allowed: false });
  expect(asked).toHaveLength(2);
  expect(asked[0]).toEqual({ user: 'ann', uid: '1', groups: ['dev'], extra: { scopes: ['a'] }, nonResourceAttributes });
});

test('a failure lets nobody in and is asked again', async () => {
  const { userOf, asked, state } = delegation();
  state.failing = true;
  await expect(userOf('good')).rejects.toThrow('not now');
  state.failing = false;
  expect(await userOf('good')).toEqual(ann);
  expect(asked).toHaveLength(2);
});
