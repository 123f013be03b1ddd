import { type PolicyRule, parseFieldSelector, SelectorError } from '../../../api/index.ts';
import type { Attributes, Authorizer, Decision } from '../../request.ts';
import { rulesAllow } from '../rbac/rules.ts';
import type { NodeGraph, Owned, Related } from './node-graph.ts';
import { nodeNameOf } from './node-identity.ts';

export interface NodeAuthorizer extends Authorizer {
  authorize(attributes: Attributes): Decision;
}

const no = (reason: string): Decision => ({ decision: 'noOpinion', reason });
const allow: Decision = { decision: 'allow', reason: '' };
const reading = ['get', 'list', 'watch'];
const changing = ['update', 'patch'];
const keeping = ['get', 'create', 'update', 'patch', 'delete'];

function selectsNode({ fieldSelector = '' }: Attributes, node: string): boolean {
  try {
    return parseFieldSelector(fieldSelector).exactly('spec.nodeName') === node;
  } catch (error) {
    if (error instanceof SelectorError) return false;
    throw error;
  }
}

/** --authorization-mode=Node: kubelets read what their own pods need, and write what is their own. */
export function nodeAuthorizer(graph: NodeGraph, nodeRules: readonly PolicyRule[]): NodeAuthorizer {
  const related = (node: string, a: Attributes, isRelated: (namespace: string, name: string) => boolean): Decision => {
    if (a.name === '') return no('No Object name found');
    return isRelated(a.namespace, a.name) ? allow : no(`no relationship found between node '${node}' and this object`);
  };
  const byPod = (node: string, a: Attributes, kind: Related) =>
    related(node, a, (namespace, name) => graph.relates(node, kind, namespace, name));
  const bySelf = (node: string, a: Attributes, kind: Owned) =>
    related(node, a, (namespace, name) => graph.owns(node, kind, namespace, name));

  /** Why a request is more than a get of one object, if it is. */
  const notGet = (a: Attributes): Decision | undefined => {
    if (a.verb !== 'get') return no('can only get individual resources of this type');
    return a.subresource === '' ? undefined : no('cannot get subresource');
  };
  const read = (node: string, kind: Related, a: Attributes): Decision => {
    if (!reading.includes(a.verb)) return no('can only read resources of this type');
    if (a.subresource !== '') return no('cannot read subresource');
    if (a.namespace === '') return no('can only read namespaced object of this type');
    return byPod(node, a, kind);
  };
  const claim = (node: string, a: Attributes): Decision => {
    if (a.subresource !== 'status') return notGet(a) ?? byPod(node, a, 'persistentvolumeclaim');
    return changing.includes(a.verb) ? byPod(node, a, 'persistentvolumeclaim') : no('can only get/update/patch this type');
  };
  const account = (node: string, a: Attributes): Decision => {
    if (a.verb === 'get' && a.subresource === '') return read(node, 'serviceaccount', a);
    if (a.verb !== 'create' || a.name === '') return no('can only create tokens for individual service accounts');
    if (a.subresource !== 'token') return no('can only create token subresource of serviceaccount');
    return byPod(node, a, 'serviceaccount');
  };
  // A create carries no name here; NodeRestriction checks the object's.
  const own = (node: string, a: Attributes, kind: string): Decision =>
    a.verb === 'create' || a.name === node ? allow : no(`can only access ${kind} with the same name as the requesting node`);
  const slice = (node: string, a: Attributes): Decision => {
    if (a.subresource !== '') return no('cannot authorize ResourceSlice subresources');
    if (a.verb === 'create') return allow;
    if (['get', 'update', 'patch', 'delete'].includes(a.verb)) return bySelf(node, a, 'resourceslice');
    if (!['watch', 'list', 'deletecollection'].includes(a.verb))
      return no(
        'only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection',
      );
    return selectsNode(a, node) ? allow : no('can only list/watch/deletecollection resourceslices with nodeName field selector');
  };
  const certificate = (node: string, a: Attributes): Decision => {
    if (a.subresource !== '') return no('nodes may not access the status subresource of PodCertificateRequests');
    if (a.verb === 'create') return allow;
    if (a.verb === 'get') return bySelf(node, a, 'podcertificaterequest');
    if (!reading.includes(a.verb)) return no(`nodes may not ${a.verb} podcertificaterequests`);
    return selectsNode(a, node) ? allow : no('can only list/watch podcertificaterequests with nodeName field selector');
  };
  // NodeRestriction keeps what nodes write of nodes and pods to themselves and theirs.
  const nodes = (node: string, a: Attributes): Decision => {
    if (a.subresource === 'status') return changing.includes(a.verb) ? allow : no('');
    if (a.subresource !== '') return no('');
    if (a.verb === 'create' || changing.includes(a.verb)) return allow;
    if (!reading.includes(a.verb)) return no('');
    if (a.name === node) return allow;
    return no(`node '${node}' cannot read ${a.name === '' ? 'all nodes' : `'${a.name}'`}, only its own Node object`);
  };
  const pods = (node: string, a: Attributes): Decision => {
    if (a.subresource === 'status') return changing.includes(a.verb) ? allow : no('');
    if (a.subresource === 'eviction') return a.verb === 'create' ? allow : no('');
    if (a.subresource !== '') return no('');
    if (a.verb === 'create' || a.verb === 'delete') return allow;
    if (!reading.includes(a.verb)) return no('');
    if (a.verb !== 'get' && selectsNode(a, node)) return allow;
    return a.verb === 'get' || a.name !== '' ? byPod(node, a, 'pod') : no('can only list/watch pods with spec.nodeName field selector');
  };

  const decide = (node: string, a: Attributes): Decision | undefined => {
    switch (`${a.apiGroup}/${a.resource}`) {
      case '/secrets':
        return read(node, 'secret', a);
      case '/configmaps':
        return read(node, 'configmap', a);
      case 'resource.k8s.io/resourceclaims':
        return notGet(a) ?? byPod(node, a, 'resourceclaim');
      case '/persistentvolumeclaims':
        return claim(node, a);
      case '/persistentvolumes':
        return notGet(a) ?? related(node, a, (_, name) => graph.usesVolume(node, name));
      case 'storage.k8s.io/volumeattachments':
        return notGet(a) ?? bySelf(node, a, 'volumeattachment');
      case '/serviceaccounts':
        return account(node, a);
      case 'coordination.k8s.io/leases':
        if (!keeping.includes(a.verb)) return no('can only get, create, update, patch, or delete a node lease');
        if (a.namespace !== 'kube-node-lease') return no('can only access leases in the "kube-node-lease" system namespace');
        return own(node, a, 'node lease');
      case 'storage.k8s.io/csinodes':
        if (!keeping.includes(a.verb)) return no('can only get, create, update, patch, or delete a CSINode');
        return a.subresource === '' ? own(node, a, 'CSINode') : no('cannot authorize CSINode subresources');
      case 'resource.k8s.io/resourceslices':
        return slice(node, a);
      case 'certificates.k8s.io/podcertificaterequests':
        return certificate(node, a);
      case '/nodes':
        return nodes(node, a);
      case '/pods':
        return pods(node, a);
      default:
        return undefined;
    }
  };

  return {
    authorize(a) {
      const node = nodeNameOf(a.user);
      if (node === undefined) return no('');
      if (node === '') return no(`unknown node for user ${JSON.stringify(a.user.name)}`);
      const decision = a.isResourceRequest ? decide(node, a) : undefined;
      if (decision !== undefined) return decision;
      return rulesAllow(nodeRules, a) ? allow : no('');
    },
    // Nodes' rules depend on their pods and can't be listed; others have none here.
    rulesFor: (user) =>
      Promise.resolve({
        resourceRules: [],
        nonResourceRules: [],
        ...(nodeNameOf(user) === undefined
          ? { incomplete: false }
          : { incomplete: true, evaluationError: 'node authorizer does not support user rule resolution' }),
      }),
  };
}
