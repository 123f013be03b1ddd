import { createPrivateKey, createPublicKey } from 'node:crypto';
import { SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Node, type ObjectMeta, Pod, Secret, ServiceAccount } from '../../api/index.ts';
import { createCertificateAuthority, generateKeyPair, issueCertificate, type KeyCertificate } from '../../pki/index.ts';
import { VirtualClock } from '../../time/index.ts';
import type { Credentials } from '../request.ts';
import { type MemoryStorages, memoryStorages } from '../testing/memory-storages.ts';
import { createAuthentication, createTokenIssuer, issueServiceAccountToken, parseTokenFile } from './index.ts';
import { bearerToken } from './token.ts';

const issuer = 'https://kubernetes.default.svc.cluster.local';
let memory: MemoryStorages;
let clock: VirtualClock;
let keys: { privateKey: string; publicKey: string };

beforeEach(async () => {
  clock = new VirtualClock();
  memory = memoryStorages();
  keys = await generateKeyPair();
});
afterEach(() => memory.close());

const credentials = (headers: Record<string, string>, certificate?: Credentials['certificate']): Credentials => ({
  ...(certificate ? { certificate } : {}),
  header: (name) => headers[name.toLowerCase()],
  headers: Object.entries(headers),
  webSocketProtocols: [],
  remoteAddress: '127.0.0.1',
});
const bearer = (token: string) => credentials({ authorization: `Bearer ${token}` });

function setUp(extra: Partial<Parameters<typeof createAuthentication>[0]> = {}) {
  const authentication = createAuthentication({
    storages: memory.storages,
    clock,
    issuers: [issuer],
    serviceAccountKeys: [keys.publicKey],
    ...extra,
  });
  const tokenContext = {
    issuer: createTokenIssuer({ issuer, key: keys.privateKey }),
    storages: memory.storages,
    clock,
    apiAudiences: [issuer],
  };
  const warnings: string[] = [];
  const annotations: string[] = [];
  const request = (namespace: string, name: string, spec: object, metadata: object = { name }, limits: { maxSeconds?: number } = {}) =>
    issueServiceAccountToken(
      { ...tokenContext, ...limits },
      namespace,
      name,
      { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', metadata: metadata as ObjectMeta, spec },
      { warn: (message) => void warnings.push(message), auditAnnotation: (key, value) => void annotations.push(`${key}: ${value}`) },
    );
  return { ...authentication, request, warnings, annotations };
}

describe('service-account tokens', () => {
  beforeEach(async () => {
    await memory.put(ServiceAccount, { metadata: { name: 'sa', namespace: 'ns' } });
  });

  test('a token bound to a pod names account, pod and node, and dies with the pod', async () => {
    const { authenticator, request, tokens, annotations } = setUp();
    await memory.put(Node, { metadata: { name: 'n1' } });
    const pod = await memory.put(Pod, {
      metadata: { name: 'p', namespace: 'ns' },
      spec: { serviceAccountName: 'sa', nodeName: 'n1', containers: [] },
    });
    const { status } = await request('ns', 'sa', { boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'p', uid: pod.metadata.uid } });
    const user = await authenticator.authenticate(bearer(status?.token ?? ''));
    expect(user?.name).toBe('system:serviceaccount:ns:sa');
    expect(annotations).toEqual([
      `authentication.kubernetes.io/issued-credential-id: ${user?.extra?.['authentication.kubernetes.io/credential-id']?.[0]}`,
    ]);
    expect(user?.groups).toEqual(['system:serviceaccounts', 'system:serviceaccounts:ns', 'system:authenticated']);
    expect(user?.extra).toMatchObject({
      'authentication.kubernetes.io/pod-name': ['p'],
      'authentication.kubernetes.io/pod-uid': [pod.metadata.uid],
      'authentication.kubernetes.io/node-name': ['n1'],
    });
    await memory.storages(Pod).delete('ns', 'p', {});
    await expect(tokens.authenticateToken(status?.token ?? '', [])).rejects.toThrow('service account token has been invalidated');
    const namesake = await memory.put(Pod, { metadata: { name: 'p', namespace: 'ns' }, spec: { containers: [] } });
    await expect(tokens.authenticateToken(status?.token ?? '', [])).rejects.toThrow(
      `pod UID (${namesake.metadata.uid}) does not match service account pod ref claim (${pod.metadata.uid})`,
    );
  });

  test('a token ends at its time, and is not good for other audiences', async () => {
    const { authenticator, request, tokens } = setUp();
    const { status } = await request('ns', 'sa', { expirationSeconds: 600 });
    await expect(authenticator.authenticate(bearer(status?.token ?? ''))).resolves.toBeDefined();
    const vault = await request('ns', 'sa', { audiences: ['vault'] });
    await expect(authenticator.authenticate(bearer(vault.status?.token ?? ''))).rejects.toMatchObject({ code: 401 });
    expect((await tokens.authenticateToken(vault.status?.token ?? '', ['vault']))?.audiences).toEqual(['vault']);
    // Clocks differ.
    await clock.advance(659_000);
    await expect(authenticator.authenticate(bearer(status?.token ?? ''))).resolves.toBeDefined();
    await clock.advance(2000);
    await expect(tokens.authenticateToken(status?.token ?? '', [])).rejects.toThrow('service account token has expired');
  });

  test.each([
    [
      { expirationSeconds: 5 },
      'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 5: may not specify a duration less than 10 minutes',
    ],
    [{ boundObjectRef: { kind: 'Pod', name: 'p', uid: 'other' } }, 'Operation cannot be fulfilled on Pod "p": the UID in the bound object'],
    [{ boundObjectRef: { kind: 'Pod', name: 'nope' } }, 'pods "nope" not found'],
    [{ boundObjectRef: { apiVersion: 'v1', kind: 'ConfigMap', name: 'x' } }, 'cannot bind token to object of type /v1, Kind=ConfigMap'],
  ])('a request for %j is refused', async (spec, message) => {
    await memory.put(Pod, { metadata: { name: 'p', namespace: 'ns' }, spec: { serviceAccountName: 'sa', containers: [] } });
    await expect(setUp().request('ns', 'sa', spec)).rejects.toThrow(message);
  });

  test('whether the account exists is asked before what is wanted of it', async () => {
    await expect(setUp().request('ns', 'none', { expirationSeconds: 5 })).rejects.toThrow('serviceaccounts "none" not found');
  });

  test('a token is given to the account of the UID in the request, and to no namesake', async () => {
    const { request } = setUp();
    const { metadata } = await request('ns', 'sa', {}, {});
    expect(metadata).toMatchObject({ name: 'sa', namespace: 'ns', uid: expect.stringMatching(/./) });
    await expect(request('ns', 'sa', {}, { uid: metadata?.uid })).resolves.toBeDefined();
    await expect(request('ns', 'sa', {}, { uid: 'gone' })).rejects.toMatchObject({
      reason: 'Conflict',
      message: `Operation cannot be fulfilled on TokenRequest.authentication.k8s.io "sa": the UID in the token request (gone) does not match the UID of the service account (${metadata?.uid})`,
    });
  });

  test('a token that was asked for too long is shortened with a warning', async () => {
    const { request, warnings } = setUp();
    const { spec } = await request('ns', 'sa', { expirationSeconds: 9000 }, {}, { maxSeconds: 7200 });
    expect(spec?.expirationSeconds).toBe(7200);
    expect(warnings).toEqual(['requested expiration of 9000 seconds shortened to 7200 seconds']);
  });

  test('a request of another name is refused', async () => {
    await expect(setUp().request('ns', 'sa', {}, { name: 'other' })).rejects.toThrow(
      'metadata.name: Invalid value: "other": must match the service account name if specified',
    );
  });

  test('a token signed by another key is unauthorized', async () => {
    const { request } = setUp();
    const { status } = await request('ns', 'sa', {});
    keys = await generateKeyPair();
    await expect(setUp().tokens.authenticateToken(status?.token ?? '', [])).rejects.toThrow('invalid signature, no keys found');
  });
});

describe('tokens of Secrets', () => {
  const prefix = 'kubernetes.io/serviceaccount/';
  const legacyToken = async (claims: Record<string, unknown> = {}) => {
    const whole = {
      iss: 'kubernetes/serviceaccount',
      sub: 'system:serviceaccount:ns:sa',
      [`${prefix}namespace`]: 'ns',
      [`${prefix}secret.name`]: 'secret',
      [`${prefix}service-account.name`]: 'sa',
      [`${prefix}service-account.uid`]: 'uid',
      ...claims,
    };
    return new SignJWT(whole).setProtectedHeader({ alg: 'ES256' }).sign(createPrivateKey(keys.privateKey));
  };

  test('are good without Secret and account only where these are not looked up (--service-account-lookup=false)', async () => {
    const token = await legacyToken();
    const authenticate = (lookup: boolean, given = token) =>
      setUp({ serviceAccountLookup: lookup })
        .tokens.authenticateToken(given, [])
        .then((result) => result?.user);
    await expect(authenticate(true)).rejects.toThrow('Token has been invalidated');
    expect(await authenticate(false)).toMatchObject({ name: 'system:serviceaccount:ns:sa', uid: 'uid' });
    for (const [claims, why] of [
      [{ sub: undefined }, 'sub claim is missing'],
      [{ sub: 'system:serviceaccount:ns:other' }, 'sub claim is invalid'],
      [{ [`${prefix}secret.name`]: undefined }, 'secretName claim is missing'],
      [{ [`${prefix}service-account.uid`]: undefined }, 'serviceAccountUID claim is missing'],
    ] as const)
      await expect(authenticate(false, await legacyToken(claims))).rejects.toThrow(why);
  });

  test('are not what tokens that were requested are: their account is always looked up', async () => {
    await memory.put(ServiceAccount, { metadata: { name: 'sa', namespace: 'ns' } });
    const { request, tokens } = setUp({ serviceAccountLookup: false });
    const { status } = await request('ns', 'sa', {});
    await memory.storages(ServiceAccount).delete('ns', 'sa', {});
    await expect(tokens.authenticateToken(status?.token ?? '', [])).rejects.toThrow('serviceaccounts "sa" not found');
  });
});

test('without credentials there is no user; a wrong token is refused', async () => {
  const { authenticator } = setUp();
  expect(await authenticator.authenticate(credentials({}))).toBeUndefined();
  await expect(authenticator.authenticate(bearer('nonsense'))).rejects.toMatchObject({ code: 401 });
});

test.each([
  ['dG9rZW4', 'dummy', true],
  ['dG9rZW4', undefined, 'missing additional subprotocol'],
  ['dG9rZW4=', 'dummy', 'invalid base64.bearer.authorization token encoding'],
  ['_w', 'dummy', 'invalid base64.bearer.authorization token'],
  ['', 'dummy', undefined],
])('a WebSocket subprotocol of %j, beside %j: %j', (encoded, other, expected) => {
  const protocols = [`base64url.bearer.authorization.k8s.io.${encoded}`, ...(other === undefined ? [] : [other])];
  const read = () => bearerToken({ ...credentials({ upgrade: 'websocket' }), webSocketProtocols: protocols });
  if (typeof expected === 'string') expect(read).toThrow(expected);
  else expect(read()).toBe(expected && 'token');
});

test('a space too many hides a token, which is warned of', () => {
  const warnings: string[] = [];
  const notes = { warn: (message: string) => void warnings.push(message), auditAnnotation: () => {} };
  expect(bearerToken({ ...credentials({ authorization: 'Bearer  token' }), notes })).toBeUndefined();
  expect(warnings).toEqual(['the provided Authorization header contains extra space before the bearer token, and is ignored']);
  expect(bearerToken(credentials({ authorization: 'bearer token and more' }))).toBe('token');
});

test('token file lines give user, uid and groups', async () => {
  const users = parseTokenFile('abc,alice,u1,"dev,ops"\r\n\nxyz,bob,u2\n,nobody,u3\n"a ""b""", eve,u4,', 'tokens.csv');
  expect([...users.keys()]).toEqual(['abc', 'xyz', 'a "b"']);
  expect(users.get('a "b"')).toEqual({ name: ' eve', uid: 'u4', groups: [''] });
  expect(() => parseTokenFile('abc,alice\n', 'tokens.csv')).toThrow(
    "token file 'tokens.csv' must have at least 3 columns (token, user name, user uid), found 2",
  );
  expect(() => parseTokenFile('a,b,c\nab"c,d,e\n', 'tokens.csv')).toThrow('parse error on line 2: bare " in non-quoted field');
  const { authenticator, tokens } = setUp({ tokens: users });
  expect(await authenticator.authenticate(bearer('abc'))).toEqual({
    name: 'alice',
    uid: 'u1',
    groups: ['dev', 'ops', 'system:authenticated'],
  });
  expect(await authenticator.authenticate(bearer('xyz'))).toMatchObject({ name: 'bob' });
  // They are for the API, whoever asks.
  expect(await tokens.authenticateToken('xyz', ['x', issuer])).toMatchObject({ audiences: [issuer] });
  expect(await tokens.authenticateToken('xyz', ['x'])).toBeUndefined();
});

test('a bootstrap token is its Secret until it expires', async () => {
  const { authenticator } = setUp();
  const encode = (data: Record<string, string>) =>
    Object.fromEntries(Object.entries(data).map(([k, v]) => [k, Buffer.from(v).toString('base64')]));
  const put = (more: Record<string, string> = {}) =>
    memory.put(Secret, {
      metadata: { name: 'bootstrap-token-abcdef', namespace: 'kube-system' },
      type: 'bootstrap.kubernetes.io/token',
      data: encode({
        'token-id': 'abcdef',
        'token-secret': '0123456789abcdef',
        'usage-bootstrap-authentication': 'true',
        'auth-extra-groups': 'system:bootstrappers:kubeadm:default-node-token',
        expiration: new Date(clock.now() + 60_000).toISOString(),
        ...more,
      }),
    });
  await put();
  expect(await authenticator.authenticate(bearer('abcdef.0123456789abcdef'))).toMatchObject({
    name: 'system:bootstrap:abcdef',
    groups: ['system:bootstrappers', 'system:bootstrappers:kubeadm:default-node-token', 'system:authenticated'],
  });
  await expect(authenticator.authenticate(bearer('abcdef.0123456789abcdee'))).rejects.toMatchObject({ code: 401 });
  await clock.advance(61_000);
  await expect(authenticator.authenticate(bearer('abcdef.0123456789abcdef'))).rejects.toMatchObject({ code: 401 });
  const wrongs: Record<string, string>[] = [{ expiration: '2099' }, { expiration: '', 'auth-extra-groups': 'system:masters' }];
  for (const wrong of wrongs) {
    await memory.storages(Secret).delete('kube-system', 'bootstrap-token-abcdef', {});
    await put(wrong);
    await expect(authenticator.authenticate(bearer('abcdef.0123456789abcdef'))).rejects.toMatchObject({ code: 401 });
  }
});

/** An authority that another has signed. */
async function intermediateAuthority(authority: KeyCertificate, validity: { notBefore: Date; notAfter: Date }): Promise<KeyCertificate> {
  const lib = await import('@peculiar/x509');
  const { privateKey: key } = await generateKeyPair();
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const pkcs8 = createPrivateKey(authority.key).export({ type: 'pkcs8', format: 'der' });
  const certificate = await lib.X509CertificateGenerator.create({
    ...validity,
    subject: 'CN=between',
    issuer: new lib.X509Certificate(authority.certificate).subjectName,
    publicKey: new lib.PublicKey(createPublicKey(key).export({ type: 'spki', format: 'der' })),
    signingKey: await crypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']),
    signingAlgorithm: algorithm,
    extensions: [new lib.BasicConstraintsExtension(true)],
  });
  return { certificate: certificate.toString('pem'), key };
}

test('certificates: the client CA gives users, the front-proxy CA the word of the proxy', async () => {
  const validity = { notBefore: new Date(Date.now() - 1000), notAfter: new Date(Date.now() + 1e7) };
  const ca = await createCertificateAuthority({ commonName: 'a', ...validity });
  const proxyCa = await createCertificateAuthority({ commonName: 'b', ...validity });
  const { authenticator } = setUp({ clientCa: ca.certificate, requestHeader: { clientCa: proxyCa.certificate } });
  const present = async (authority: typeof ca, commonName: string, organizations: string[]) => {
    const { certificate } = await issueCertificate(authority, { commonName, organizations, usages: ['client'], ...validity });
    const raw = Buffer.from(certificate.replace(/-----[^-]+-----|\s/g, ''), 'base64');
    return { commonName, organizations, notAfter: validity.notAfter, raw };
  };
  expect(await authenticator.authenticate(credentials({}, await present(ca, 'alice', ['dev'])))).toEqual({
    name: 'alice',
    groups: ['dev', 'system:authenticated'],
    extra: { 'authentication.kubernetes.io/credential-id': [expect.stringMatching(/^X509SHA256=[0-9a-f]{64}$/)] },
  });
  const headers = { 'x-remote-user': 'bob', 'x-remote-group': 'ops' };
  expect(await authenticator.authenticate(credentials(headers, await present(proxyCa, 'front-proxy-client', [])))).toMatchObject({
    name: 'bob',
    groups: ['ops', 'system:authenticated'],
  });
  expect(await authenticator.authenticate(credentials(headers, await present(ca, 'alice', [])))).toMatchObject({ name: 'alice' });
  // Who presents a certificate is not anonymous for that it is nobody's.
  const refuse = (certificate: Awaited<ReturnType<typeof present>> & { issuers?: Uint8Array[] }) =>
    expect(() => authenticator.authenticate(credentials({}, certificate))).toThrow('Unauthorized');
  refuse(await present(proxyCa, 'x', []));
  refuse(await present(ca, '', ['dev']));
  const grouped = { ...headers, 'x-remote-group': '' };
  expect(await authenticator.authenticate(credentials(grouped, await present(proxyCa, 'front-proxy-client', [])))).toMatchObject({
    groups: ['system:authenticated'],
  });
  const between = await intermediateAuthority(ca, validity);
  const derOf = ({ certificate }: typeof ca) => Buffer.from(certificate.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  const indirect = await present(between, 'carol', []);
  expect(await authenticator.authenticate(credentials({}, { ...indirect, issuers: [derOf(between)] }))).toMatchObject({ name: 'carol' });
  refuse({ ...indirect, raw: Buffer.from(indirect.raw), issuers: [derOf(proxyCa)] });
});
