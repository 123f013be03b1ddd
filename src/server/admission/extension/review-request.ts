/** The request of an AdmissionReview, which is also what expressions see as `request`. */
import type { AdmissionRequest } from '../../request.ts';
import type { VersionedRequest } from './versions.ts';

const optionsKind: Record<AdmissionRequest['operation'], string> = {
  CREATE: 'CreateOptions',
  UPDATE: 'UpdateOptions',
  DELETE: 'DeleteOptions',
  CONNECT: '',
};

/** Everything but the uid and the objects. */
export function reviewRequest(request: AdmissionRequest, versioned: VersionedRequest) {
  const { user, operation, subresource } = request;
  const options = operation === 'CONNECT' ? null : { ...request.options, kind: optionsKind[operation], apiVersion: 'meta.k8s.io/v1' };
  return {
    kind: versioned.kind,
    resource: { group: versioned.group, version: versioned.version, resource: versioned.resource },
    ...(subresource ? { subResource: subresource } : {}),
    requestKind: { group: request.kindGroup, version: request.kindVersion, kind: request.kind },
    requestResource: { group: request.group, version: request.version, resource: request.resource },
    ...(subresource ? { requestSubResource: subresource } : {}),
    ...(request.name ? { name: request.name } : {}),
    ...(request.namespace ? { namespace: request.namespace } : {}),
    operation,
    userInfo: {
      username: user.name,
      ...(user.uid ? { uid: user.uid } : {}),
      ...(user.groups.length > 0 ? { groups: user.groups } : {}),
      ...(user.extra && Object.keys(user.extra).length > 0 ? { extra: user.extra } : {}),
    },
    dryRun: request.dryRun,
    options,
  };
}

export type ReviewRequest = ReturnType<typeof reviewRequest>;
