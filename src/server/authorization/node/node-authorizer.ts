import type { PolicyRule } from '../../../api/index.ts';
import type { Attributes, Authorizer, Decision } from '../../request.ts';
import { rulesAllow } from '../rbac/rules.ts';
import type { NodeGraph, Related } from './node-graph.ts';
import { nodeNameOf } from './node-identity.ts';

export interface NodeAuthorizer extends Authorizer {
  authorize(attributes: Attributes): Decision;
}

const no = (reason: string): Decision => ({ decision: 'noOpinion', reason });
const allow: Decision = { decision: 'allow', reason: '' };

/** --authorization-mode=Node: kubelets read what their own pods need, and write what is their own. */
export function nodeAuthorizer(graph: NodeGraph, nodeRules: readonly PolicyRule[]): NodeAuthorizer {
  const unrelated = (node: string) => no(`no relationship found between node '${node}' and this object`);

  const read = (node: string, kind: Related, a: Attributes, verbs: readonly string[]): Decision => {
    if (!verbs.includes(a.verb))
      return no(verbs.length === 1 ? 'can only get individual resources of this type' : 'can only read resources of this type');
    if (a.subresource !== '') return no('cannot read subresource');
    if (a.namespace === '') return no('can only read namespaced object of this type');
    if (a.name === '') return no('No Object name found');
    return graph.relates(node, kind, a.namespace, a.name) ? allow : unrelated(node);
  };
  const own = (node: string, a: Attributes, verbs: readonly string[], kind: string): Decision => {
    if (a.subresource !== '') return no(`cannot access ${kind} subresources`);
    if (!verbs.includes(a.verb)) return no(`can only ${verbs.join(', ')} a ${kind}`);
    // A create carries no name here; NodeRestriction checks the object's.
    return a.verb === 'create' || a.name === node ? allow : no(`can only access ${kind} with the same name as the requesting node`);
  };
  const selects = (a: Attributes, field: string, node: string) =>
    (a.fieldSelector ?? '').split(',').some((r) => r === `${field}=${node}` || r === `${field}==${node}`);

  const decide = (node: string, a: Attributes): Decision | undefined => {
    switch (`${a.apiGroup}/${a.resource}`) {
      case '/secrets':
        return read(node, 'secret', a, ['get', 'list', 'watch']);
      case '/configmaps':
        return read(node, 'configmap', a, ['get', 'list', 'watch']);
      case 'resource.k8s.io/resourceclaims':
        return read(node, 'resourceclaim', a, ['get']);
      case '/persistentvolumeclaims':
        if (a.subresource !== 'status') return read(node, 'persistentvolumeclaim', a, ['get']);
        if (a.verb !== 'update' && a.verb !== 'patch') return no('can only update status');
        return graph.relates(node, 'persistentvolumeclaim', a.namespace, a.name) ? allow : unrelated(node);
      case '/persistentvolumes':
        if (a.verb !== 'get') return no('can only get individual resources of this type');
        if (a.subresource !== '') return no('cannot get subresource');
        return graph.usesVolume(node, a.name) ? allow : unrelated(node);
      case 'storage.k8s.io/volumeattachments':
        if (a.verb !== 'get') return no('can only get individual resources of this type');
        return graph.hasAttachment(node, a.name) ? allow : unrelated(node);
      case '/serviceaccounts':
        if (a.subresource === '') return read(node, 'serviceaccount', a, ['get']);
        if (a.subresource !== 'token' || a.verb !== 'create') return no('can only create tokens for individual service accounts');
        return graph.relates(node, 'serviceaccount', a.namespace, a.name) ? allow : unrelated(node);
      case 'coordination.k8s.io/leases':
        if (a.namespace !== 'kube-node-lease') return no('can only access leases in the "kube-node-lease" system namespace');
        return own(node, a, ['get', 'create', 'update', 'patch', 'delete'], 'lease');
      case 'storage.k8s.io/csinodes':
        return own(node, a, ['get', 'create', 'update', 'patch', 'delete'], 'CSINode');
      case '/nodes':
        if (a.subresource !== '' || a.verb === 'create') return undefined;
        if (a.verb === 'list' || a.verb === 'watch')
          return a.name === node || selects(a, 'metadata.name', node)
            ? undefined
            : no(`node '${node}' cannot read all nodes, only its own Node object`);
        return a.verb === 'get' && a.name !== node ? no(`node '${node}' cannot read '${a.name}', only its own Node object`) : undefined;
      case '/pods':
        if (a.subresource !== '') return undefined;
        if (a.verb === 'get') return graph.relates(node, 'pod', a.namespace, a.name) ? allow : unrelated(node);
        if (a.verb === 'list' || a.verb === 'watch')
          return selects(a, 'spec.nodeName', node) ? allow : no('can only list/watch pods with spec.nodeName field selector');
        return undefined;
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
