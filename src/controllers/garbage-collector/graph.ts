/**
 * Who owns whom, as the informers tell it: a node for each object, by uid, with its owners and dependents. An owner that is
 * referred to and has not been seen is a virtual node until it is seen, or found to be absent.
 */
import { deepEqual, type KubeObject, type OwnerReference, parseApiVersion } from '../../api/index.ts';

export const orphanFinalizer = 'orphan';
export const foregroundFinalizer = 'foregroundDeletion';
const awaitable = [orphanFinalizer, foregroundFinalizer] as const;

export interface Identity {
  apiVersion: string;
  kind: string;
  /** Of a virtual node that of its dependent, whose owner must be there or outside of namespaces. */
  namespace: string;
  name: string;
  uid: string;
}

export interface GraphNode {
  identity: Identity;
  owners: readonly OwnerReference[];
  dependents: Set<GraphNode>;
  beingDeleted: boolean;
  /** Deleted in the foreground: it goes when its dependents are gone. */
  deletingDependents: boolean;
  /** The finalizer that it was seen to wait for when last seen: one that comes again, by another deletion, is to be taken off again. */
  awaits: (typeof awaitable)[number] | undefined;
  virtual: boolean;
}

export interface GraphEvents {
  /** Look whether this object, or what it owns, is to go. */
  attemptToDelete(node: GraphNode): void;
  /** Free this object's dependents, and let it go. */
  attemptToOrphan(node: GraphNode): void;
  /** The node refers to an owner in another namespace. */
  invalidOwner(node: GraphNode, owner: Identity): void;
}

export interface Graph {
  get(uid: string): GraphNode | undefined;
  put(object: KubeObject): void;
  /** The object is gone; what it owned is looked at. */
  remove(uid: string): void;
  /** Whether an owner is known to be gone, so that nobody need ask. */
  isAbsent(uid: string, namespace: string): boolean;
  markAbsent(uid: string, namespace: string): void;
  readonly size: number;
}

/** As upstream's absentOwnerCache. */
const maxAbsent = 500;

export function createGraph(events: GraphEvents): Graph {
  const nodes = new Map<string, GraphNode>();
  const absent = new Set<string>();
  const absentKey = (uid: string, namespace: string) => `${uid}|${namespace}`;

  const markAbsent = (uid: string, namespace: string): void => {
    absent.add(absentKey(uid, namespace));
    const [oldest] = absent;
    if (absent.size > maxAbsent && oldest !== undefined) absent.delete(oldest);
  };

  const link = (node: GraphNode, owners: readonly OwnerReference[]): void => {
    for (const { apiVersion, kind, name, uid } of owners) {
      let owner = nodes.get(uid);
      if (!owner) {
        const identity = { apiVersion, kind, name, uid, namespace: node.identity.namespace };
        owner = newNode(identity, true);
        nodes.set(uid, owner);
      } else if (!owner.virtual && owner.identity.namespace && owner.identity.namespace !== node.identity.namespace)
        events.invalidOwner(node, { apiVersion, kind, name, uid, namespace: node.identity.namespace });
      owner.dependents.add(node);
      if (owner.virtual) events.attemptToDelete(owner);
      // The owner may have been seen under another name or namespace than the reference gives: the reference is then dangling.
      else if (!matches(owner.identity, apiVersion, kind, name, node.identity.namespace)) events.attemptToDelete(node);
    }
  };

  const unlink = (node: GraphNode, owners: readonly OwnerReference[]): void => {
    for (const { uid } of owners) {
      const owner = nodes.get(uid);
      owner?.dependents.delete(node);
      // Nobody refers to it any more, and nobody has seen it.
      if (owner?.virtual && owner.dependents.size === 0) nodes.delete(uid);
    }
  };

  /** Owners that wait for their dependents look again when one stops blocking them. */
  const unblocked = (before: readonly OwnerReference[], after: readonly OwnerReference[]): void => {
    for (const reference of before) {
      if (!reference.blockOwnerDeletion || after.some((r) => r.uid === reference.uid && r.blockOwnerDeletion)) continue;
      const owner = nodes.get(reference.uid);
      if (owner?.deletingDependents) events.attemptToDelete(owner);
    }
  };

  return {
    get: (uid) => nodes.get(uid),
    get size() {
      return nodes.size;
    },
    isAbsent: (uid, namespace) => absent.has(absentKey(uid, namespace)) || absent.has(absentKey(uid, '')),
    markAbsent,

    put(object) {
      const { uid, name, namespace = '', ownerReferences = [], deletionTimestamp, finalizers = [] } = object.metadata;
      let node = nodes.get(uid);
      if (!node) {
        node = newNode({ apiVersion: object.apiVersion, kind: object.kind, namespace, name, uid }, false);
        nodes.set(uid, node);
      } else if (node.virtual) {
        node.virtual = false;
        node.identity = { apiVersion: object.apiVersion, kind: object.kind, namespace, name, uid };
        // Dependents whose references are not to this very object refer to nothing.
        for (const dependent of node.dependents) {
          const reference = dependent.owners.find((r) => r.uid === uid);
          if (!reference || matches(node.identity, reference.apiVersion, reference.kind, reference.name, dependent.identity.namespace))
            continue;
          if (namespace && namespace !== dependent.identity.namespace)
            events.invalidOwner(dependent, { ...reference, namespace: dependent.identity.namespace });
          events.attemptToDelete(dependent);
        }
      }
      if (!deepEqual(node.owners, ownerReferences)) {
        const before = node.owners;
        node.owners = ownerReferences;
        const left = new Set(ownerReferences.map((r) => r.uid));
        const known = new Set(before.map((r) => r.uid));
        unlink(
          node,
          before.filter((r) => !left.has(r.uid)),
        );
        link(
          node,
          ownerReferences.filter((r) => !known.has(r.uid)),
        );
        unblocked(before, ownerReferences);
      }
      const { awaits } = node;
      node.awaits = undefined;
      if (!deletionTimestamp) return;
      node.beingDeleted = true;
      node.awaits = awaitable.find((f) => finalizers.includes(f));
      if (node.awaits === awaits) return;
      if (node.awaits === orphanFinalizer) events.attemptToOrphan(node);
      if (node.awaits === foregroundFinalizer) {
        node.deletingDependents = true;
        for (const dependent of node.dependents) events.attemptToDelete(dependent);
        events.attemptToDelete(node);
      }
    },

    remove(uid) {
      const node = nodes.get(uid);
      if (!node) return;
      nodes.delete(uid);
      unlink(node, node.owners);
      if (node.dependents.size > 0) markAbsent(uid, node.identity.namespace);
      for (const dependent of node.dependents) events.attemptToDelete(dependent);
      for (const { uid: ownerUid } of node.owners) {
        const owner = nodes.get(ownerUid);
        if (owner?.deletingDependents) events.attemptToDelete(owner);
      }
    },
  };
}

function newNode(identity: Identity, virtual: boolean): GraphNode {
  return { identity, owners: [], dependents: new Set(), beingDeleted: false, deletingDependents: false, awaits: undefined, virtual };
}

/** Whether a reference's coordinates are the object's. Versions of a group are the same object. */
function matches(identity: Identity, apiVersion: string, kind: string, name: string, namespace: string): boolean {
  return (
    identity.kind === kind &&
    identity.name === name &&
    parseApiVersion(identity.apiVersion).group === parseApiVersion(apiVersion).group &&
    (identity.namespace === '' || identity.namespace === namespace)
  );
}

/** As upstream writes an object reference in messages. */
export const describe = ({ apiVersion, kind, namespace, name, uid }: Identity) =>
  `[${apiVersion}/${kind}, namespace: ${namespace}, name: ${name}, uid: ${uid}]`;
