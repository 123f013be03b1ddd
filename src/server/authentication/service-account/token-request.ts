import { randomUUID } from 'node:crypto';
import type { authenticationV1, KubeObject, Resource } from '../../../api/index.ts';
import { errors, FieldErrors, FieldPath, Node, Pod, parseApiVersion, Secret, ServiceAccount } from '../../../api/index.ts';
import type { Clock } from '../../../time/index.ts';
import type { AuthenticationNotes } from '../../request.ts';
import { readObject, type Storages } from '../../storages.ts';
import { type ServiceAccountClaims, serviceAccountUserName } from './claims.ts';
import type { TokenIssuer } from './token-issuer.ts';

const minSeconds = 600;
const defaultSeconds = 3600;
/** The odd lifetime that the ServiceAccount admission plugin injects, by which its tokens are known. */
export const injectedExpirationSeconds = 3607;
/** What such a token really lives, for clients that never read it again (--service-account-extend-token-expiration). */
const extendedSeconds = 365 * 24 * 3600;

export interface TokenRequestContext {
  issuer: TokenIssuer;
  storages: Storages;
  clock: Clock;
  apiAudiences: readonly string[];
  /** --service-account-max-token-expiration. */
  maxSeconds?: number;
  /** Default true. */
  extendExpiration?: boolean;
}

/** POST serviceaccounts/NAME/token: the request with its status filled in. */
export async function issueServiceAccountToken(
  context: TokenRequestContext,
  namespace: string,
  name: string,
  request: authenticationV1.TokenRequest,
  notes: AuthenticationNotes,
): Promise<authenticationV1.TokenRequest> {
  checkIdentity(name, request);
  const account = await readObject(context.storages, ServiceAccount, namespace, name);
  if (account === undefined) throw errors.notFound(ServiceAccount, name);
  const uid = account.metadata.uid ?? '';
  checkUid(name, request, uid);
  const spec = request.spec ?? {};
  const audiences = spec.audiences?.length ? spec.audiences : [...context.apiAudiences];
  const requested = spec.expirationSeconds ?? defaultSeconds;
  validate(requested);
  const bound = await bind(context, namespace, name, spec.boundObjectRef);
  const seconds = context.maxSeconds === undefined ? requested : Math.min(requested, context.maxSeconds);
  if (seconds < requested) notes.warn(`requested expiration of ${requested} seconds shortened to ${seconds} seconds`);
  const now = Math.floor(context.clock.now() / 1000);
  const forApi = audiences.every((a) => context.apiAudiences.includes(a));
  const extend = (context.extendExpiration ?? true) && bound.pod !== undefined && seconds === injectedExpirationSeconds && forApi;
  const jti = randomUUID();
  const token = await context.issuer.sign({
    aud: audiences,
    exp: now + (extend ? extendedSeconds : seconds),
    iat: now,
    jti,
    'kubernetes.io': {
      namespace,
      ...bound,
      serviceaccount: { name, uid },
      ...(extend ? { warnafter: now + seconds } : {}),
    },
    nbf: now,
    sub: serviceAccountUserName(namespace, name),
  });
  notes.auditAnnotation('authentication.kubernetes.io/issued-credential-id', `JTI=${jti}`);
  return {
    kind: 'TokenRequest',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: { ...request.metadata, name, namespace, uid, creationTimestamp: new Date(now * 1000).toISOString().replace('.000Z', 'Z') },
    spec: { ...spec, audiences, expirationSeconds: seconds },
    status: { token, expirationTimestamp: new Date((now + seconds) * 1000).toISOString().replace('.000Z', 'Z') },
  };
}

const requestKind = { group: 'authentication.k8s.io', kind: 'TokenRequest' };

/** Whose token the body says it is must be whose the path says. */
function checkIdentity(name: string, { metadata }: authenticationV1.TokenRequest): void {
  const found = new FieldErrors();
  const path = new FieldPath('metadata');
  if (metadata?.name && metadata.name !== name)
    found.invalid(path.child('name'), metadata.name, 'must match the service account name if specified');
  if (!found.ok) throw errors.invalid(requestKind, name, found.list);
}

/** Who asks for a token of the account with a UID gets none of its namesake's. */
function checkUid(name: string, { metadata }: authenticationV1.TokenRequest, uid: string): void {
  if (!metadata?.uid || metadata.uid === uid) return;
  throw errors.conflict(
    { group: requestKind.group, plural: requestKind.kind },
    name,
    `the UID in the token request (${metadata.uid}) does not match the UID of the service account (${uid})`,
  );
}

function validate(seconds: number): void {
  const found = new FieldErrors();
  const path = new FieldPath('spec').child('expirationSeconds');
  if (seconds < minSeconds) found.invalid(path, seconds, 'may not specify a duration less than 10 minutes');
  if (seconds > 2 ** 32) found.invalid(path, seconds, 'may not specify a duration larger than 2^32 seconds');
  if (!found.ok) throw errors.invalid(requestKind, '', found.list);
}

type Bound = Pick<ServiceAccountClaims['kubernetes.io'], 'pod' | 'secret' | 'node'>;

async function bind(
  context: TokenRequestContext,
  namespace: string,
  account: string,
  ref: authenticationV1.BoundObjectReference | undefined,
): Promise<Bound> {
  if (ref === undefined) return {};
  const name = ref.name ?? '';
  const read = async <T extends KubeObject>(resource: Resource<T>, ns: string): Promise<T> => {
    const object = await readObject(context.storages, resource, ns, name);
    if (object === undefined) throw errors.notFound(resource, name);
    return object;
  };
  /** Nobody is bound to the namesake of what they mean. */
  const sameUid = <T extends KubeObject>(object: T): T => {
    if (ref.uid && ref.uid !== object.metadata.uid)
      throw errors.conflict(
        { group: '', plural: ref.kind ?? '' },
        name,
        `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
      );
    return object;
  };
  const identity = (object: KubeObject) => ({ name: object.metadata.name ?? '', uid: object.metadata.uid ?? '' });
  const { group, version } = parseApiVersion(ref.apiVersion ?? '');
  if (group === '' && ref.kind === 'Pod') {
    const pod = await read(Pod, namespace);
    if ((pod.spec?.serviceAccountName ?? '') !== account)
      throw errors.badRequest(
        `cannot bind token for serviceaccount ${JSON.stringify(account)} to pod running with different serviceaccount name.`,
      );
    sameUid(pod);
    const nodeName = pod.spec?.nodeName;
    const node = nodeName ? await readObject(context.storages, Node, '', nodeName) : undefined;
    return {
      ...(nodeName ? { node: { name: nodeName, ...(node?.metadata.uid ? { uid: node.metadata.uid } : {}) } } : {}),
      pod: identity(pod),
    };
  }
  if (group === '' && ref.kind === 'Secret') return { secret: identity(sameUid(await read(Secret, namespace))) };
  if (group === '' && ref.kind === 'Node') return { node: identity(sameUid(await read(Node, ''))) };
  throw errors.badRequest(`cannot bind token to object of type ${group}/${version}, Kind=${ref.kind ?? ''}`);
}
