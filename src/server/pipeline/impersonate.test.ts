import { expect, it } from 'vitest';
import type { Attributes, Authorizer, UserInfo } from '../request.ts';
import { RequestLifetime } from '../request-lifetime.ts';
import { PipelineContext } from './context.ts';
import { createImpersonation } from './impersonate.ts';

const agent = { name: 'agent', groups: ['system:authenticated'] };
const body = {
  contentType: '',
  bytes: () => Promise.reject(new Error('none')),
  stream: () => {
    throw new Error('none');
  },
};
const contextOf = (headers: readonly (readonly [string, string])[], user: UserInfo = agent, path = '/api/v1/namespaces/ns/pods') =>
  new PipelineContext(
    { method: 'GET', path, query: new URLSearchParams(), headers, body, lifetime: new RequestLifetime(), remoteAddress: '127.0.0.1', user },
    { name: 'system:anonymous', groups: ['system:unauthenticated'] },
    { next: () => 0 },
  );

/** `verb group/resource[/subresource] [namespace/]name` as it is asked for. */
const asked = ({ verb, apiGroup, resource, subresource, namespace, name, isResourceRequest, path }: Attributes) =>
  isResourceRequest
    ? `${verb} ${apiGroup}/${resource}${subresource && `/${subresource}`} ${namespace && `${namespace}/`}${name}`
    : `${verb} ${path}`;

/** Allows what is listed, and tells what it was asked. */
function allowing(...allowed: string[]) {
  const log: string[] = [];
  const authorizer: Authorizer = {
    authorize(attributes) {
      log.push(asked(attributes));
      return { decision: allowed.includes(asked(attributes)) ? 'allow' : 'noOpinion', reason: '' };
    },
  };
  return { authorizer, log };
}

async function become(
  allowed: readonly string[],
  headers: Record<string, string | readonly string[]>,
  { user = agent, path, isConstrained = true }: { user?: UserInfo; path?: string; isConstrained?: boolean } = {},
) {
  const { authorizer, log } = allowing(...allowed);
  const pairs = Object.entries(headers).flatMap(([key, values]) => [values].flat().map((value) => [key, value] as const));
  const context = contextOf(pairs, user, path);
  await createImpersonation(authorizer, isConstrained)(context);
  return { user: context.user, constraint: context.impersonationConstraint, log };
}

const authn = 'authentication.k8s.io';
const onPods = (mode: string) => `impersonate-on:${mode}:list /pods ns/`;

it('who may act as another user in what is asked for does so, and no further', async () => {
  const allowed = [onPods('user-info'), `impersonate:user-info ${authn}/users jane`];
  const { user, constraint, log } = await become(allowed, { 'impersonate-user': 'jane' });
  expect(user).toEqual({ name: 'jane', groups: ['system:authenticated'] });
  expect(constraint).toBe('impersonate:user-info');
  expect(log).toEqual(allowed);
  await expect(become(allowed, { 'impersonate-user': 'jane' }, { path: '/version' })).rejects.toThrow(
    'forbidden: User "agent" cannot impersonate-on:user-info:get path "/version"',
  );
  await expect(become(allowed, { 'impersonate-user': 'joe' })).rejects.toThrow(
    'users.authentication.k8s.io "joe" is forbidden: User "agent" cannot impersonate:user-info resource "users" in API group "authentication.k8s.io" at the cluster scope',
  );
  await expect(become([], { 'impersonate-user': 'jane' })).rejects.toThrow(
    'pods is forbidden: User "agent" cannot impersonate-on:user-info:list resource "pods" in API group "" in the namespace "ns"',
  );
});

it('who may act as anybody in everything still does', async () => {
  const allowed = [
    'impersonate /users jane',
    'impersonate /groups dev',
    `impersonate ${authn}/uids 7`,
    `impersonate ${authn}/userextras/a.b/c d`,
  ];
  const headers = { 'impersonate-user': 'jane', 'impersonate-group': 'dev', 'impersonate-uid': '7', 'impersonate-extra-a.b%2fc': 'd' };
  for (const isConstrained of [true, false]) {
    const { user, constraint } = await become(allowed, headers, { isConstrained });
    expect(user).toEqual({ name: 'jane', uid: '7', groups: ['dev', 'system:authenticated'], extra: { 'a.b/c': ['d'] } });
    expect(constraint).toBeUndefined();
  }
});

it('nodes and service accounts have ways and groups of their own', async () => {
  const node = [onPods('arbitrary-node'), `impersonate:arbitrary-node ${authn}/nodes n1`];
  expect((await become(node, { 'impersonate-user': 'system:node:n1' })).user.groups).toEqual(['system:nodes', 'system:authenticated']);
  const account = [onPods('serviceaccount'), `impersonate:serviceaccount ${authn}/serviceaccounts ns/sa`];
  const { user } = await become(account, { 'impersonate-user': 'system:serviceaccount:ns:sa' });
  expect(user.groups).toEqual(['system:serviceaccounts', 'system:serviceaccounts:ns', 'system:authenticated']);
  // With groups of another's choice only in the way of before.
  const grouped = { 'impersonate-user': 'system:serviceaccount:ns:sa', 'impersonate-group': 'dev' };
  await expect(become(account, grouped)).rejects.toThrow(
    'cannot impersonate resource "serviceaccounts" in API group "" in the namespace "ns"',
  );
});

it('a name that no service account can have is a user like any other', async () => {
  const name = 'system:serviceaccount:NS:sa_1';
  await expect(become(['impersonate /serviceaccounts NS/sa_1'], { 'impersonate-user': name })).rejects.toThrow('is forbidden');
  expect((await become([`impersonate /users ${name}`], { 'impersonate-user': name })).user.groups).toEqual(['system:authenticated']);
});

it('no key of extra values escapes the question', async () => {
  const headers = { 'impersonate-user': 'jane', 'impersonate-extra-__proto__': 'x', 'impersonate-extra-constructor': 'y' };
  const allowed = ['impersonate /users jane', `impersonate ${authn}/userextras/constructor y`];
  await expect(become(allowed, headers)).rejects.toThrow('is forbidden');
  const { user } = await become([...allowed, `impersonate ${authn}/userextras/__proto__ x`], headers);
  expect(Object.entries(user.extra ?? {})).toEqual([
    ['__proto__', ['x']],
    ['constructor', ['y']],
  ]);
});

it('an agent acts as the node that its token is bound to, by a permission that names none', async () => {
  const of = (name: string) => ({
    name: 'system:serviceaccount:ns:agent',
    groups: [],
    extra: { 'authentication.kubernetes.io/node-name': [name] },
  });
  const allowed = [onPods('associated-node'), `impersonate:associated-node ${authn}/nodes *`];
  const as = { 'impersonate-user': 'system:node:n1' };
  expect(await become(allowed, as, { user: of('n1') })).toMatchObject({
    user: { name: 'system:node:n1', groups: ['system:nodes', 'system:authenticated'] },
    constraint: 'impersonate:associated-node',
  });
  await expect(become(allowed, as, { user: of('n2') })).rejects.toThrow('cannot impersonate-on:arbitrary-node:list resource "pods"');
});

it('what could be more than another user is only for those who may do anything', async () => {
  const all: Authorizer = { authorize: ({ verb }) => ({ decision: verb === 'impersonate' ? 'noOpinion' : 'allow', reason: '' }) };
  const refusedFor = async (headers: Record<string, string>) => {
    const context = contextOf(Object.entries({ 'impersonate-user': 'jane', ...headers }));
    return createImpersonation(
      all,
      true,
    )(context).then(
      () => '',
      (error: Error) => error.message,
    );
  };
  expect(await refusedFor({ 'impersonate-group': 'dev' })).toBe('');
  expect(await refusedFor({ 'impersonate-group': 'system:masters' })).toContain('impersonating the system:masters group is not allowed');
  expect(await refusedFor({ 'impersonate-extra-plain': 'x' })).toContain(
    'impersonating an invalid key in extra is not allowed: extra.key: Invalid value: "plain": must be a domain-prefixed path (such as "acme.io/foo")',
  );
});

it('many groups are asked for at once first', async () => {
  const allowed = [onPods('user-info'), `impersonate:user-info ${authn}/users jane`, `impersonate:user-info ${authn}/groups *`];
  const { log } = await become(allowed, { 'impersonate-user': 'jane', 'impersonate-group': ['a', 'b', 'c', 'd'] });
  expect(log).toEqual(allowed);
});

it('the way that was allowed last is asked for first', async () => {
  const { authorizer, log } = allowing('impersonate /users jane');
  const impersonate = createImpersonation(authorizer, true);
  const headers = [['impersonate-user', 'jane']] as const;
  await impersonate(contextOf(headers));
  expect(log).toHaveLength(2);
  await impersonate(contextOf(headers));
  expect(log).toHaveLength(3);
});

it('groups without a user are a bad request', async () => {
  const headers = { 'impersonate-group': 'dev', 'impersonate-uid': '7' };
  await expect(become([], headers)).rejects.toThrow(
    'requested &user.DefaultInfo{Name:"", UID:"7", Groups:[]string{"dev"}, Extra:map[string][]string(nil)} without impersonating a user name',
  );
  await expect(become([], headers, { isConstrained: false })).rejects.toThrow(
    'requested [{Group  dev    } {UID  7  authentication.k8s.io/v1  }] without impersonating a user',
  );
});
