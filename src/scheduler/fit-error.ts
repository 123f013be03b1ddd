import { type Status, status } from './framework/status.ts';

/** Why no node fits. */
export interface Diagnosis {
  readonly byNode: Map<string, Status>;
  /** What holds for nodes that were not looked at. */
  absent: Status;
  /** Whoever turned a node down: what they wait for is what the pod waits for. */
  readonly plugins: Set<string>;
  readonly pendingPlugins: Set<string>;
  preFilterMessage: string;
  postFilterMessage: string;
}

export function emptyDiagnosis(): Diagnosis {
  return {
    byNode: new Map(),
    absent: status('', 'UnschedulableAndUnresolvable'),
    plugins: new Set(),
    pendingPlugins: new Set(),
    preFilterMessage: '',
    postFilterMessage: '',
  };
}

/** The reasons with how many nodes have each, in upstream's order and form: `0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu.` */
export function describeUnfit(nodeCount: number, { byNode, absent, preFilterMessage, postFilterMessage }: Diagnosis): string {
  let text = `0/${nodeCount} nodes are available:`;
  if (preFilterMessage) text += ` ${preFilterMessage}.`;
  else {
    const counts = new Map<string, number>();
    const count = (reason: string, by: number) => counts.set(reason, (counts.get(reason) ?? 0) + by);
    for (const { reasons } of byNode.values()) for (const reason of reasons) count(reason, 1);
    if (byNode.size < nodeCount) for (const reason of absent.reasons) count(reason, nodeCount - byNode.size);
    const lines = [...counts].map(([reason, n]) => `${n} ${reason}`).sort();
    if (lines.length > 0) text += ` ${lines.join(', ')}.`;
  }
  return postFilterMessage ? `${text} ${postFilterMessage}` : text;
}

/** No node fits. */
export class FitError extends Error {
  readonly nodeCount: number;
  readonly diagnosis: Diagnosis;

  constructor(nodeCount: number, diagnosis: Diagnosis) {
    super();
    this.name = 'FitError';
    this.nodeCount = nodeCount;
    this.diagnosis = diagnosis;
    // Read late: what PostFilter has to say is added afterwards.
    Object.defineProperty(this, 'message', { get: () => describeUnfit(nodeCount, diagnosis) });
  }
}

export class NoNodesError extends Error {
  constructor() {
    super('no nodes available to schedule pods');
    this.name = 'NoNodesError';
  }
}
