import { aggregateMessage, type NamespaceCondition } from '../../api/index.ts';
import type { Remaining } from './content.ts';

/** What the emptying of a namespace has met. */
export interface Findings {
  /** Group versions that could not be discovered. */
  discovery: ReadonlyMap<string, string>;
  /** What went wrong in deleting. */
  content: readonly string[];
  remaining: readonly Remaining[];
}

const fine: Record<string, { reason: string; message: string }> = {
  NamespaceDeletionDiscoveryFailure: { reason: 'ResourcesDiscovered', message: 'All resources successfully discovered' },
  NamespaceDeletionGroupVersionParsingFailure: { reason: 'ParsedGroupVersions', message: 'All legacy kube types successfully parsed' },
  NamespaceDeletionContentFailure: {
    reason: 'ContentDeleted',
    message: 'All content successfully deleted, may be waiting on finalization',
  },
  NamespaceContentRemaining: { reason: 'ContentRemoved', message: 'All content successfully removed' },
  NamespaceFinalizersRemaining: { reason: 'ContentHasNoFinalizers', message: 'All content-preserving finalizers finished' },
};

/** The conditions of a namespace that is being emptied, in upstream's words. Others stay; a time of transition moves only with its status. */
export function namespaceConditions(
  present: readonly NamespaceCondition[] | undefined,
  findings: Findings,
  now: string,
): NamespaceCondition[] {
  const wrong = failures(findings);
  const conditions = [...(present ?? [])];
  for (const [type, good] of Object.entries(fine)) {
    const bad = wrong[type];
    const at = conditions.findIndex((c) => c.type === type);
    const status = bad ? 'True' : 'False';
    const next: NamespaceCondition = { type, status, ...(bad ?? good), lastTransitionTime: now };
    const previous = conditions[at];
    if (!previous) conditions.push(next);
    else if (previous.status !== status || previous.message !== next.message || previous.reason !== next.reason) {
      const since = previous.status === status ? previous.lastTransitionTime : now;
      conditions[at] = { ...next, ...(since ? { lastTransitionTime: since } : {}) };
    }
  }
  return conditions;
}

function failures({ discovery, content, remaining }: Findings): Record<string, { reason: string; message: string }> {
  const wrong: Record<string, { reason: string; message: string }> = {};
  if (discovery.size > 0) {
    const details = [...discovery].sort().map(([version, error]) => `${version}: ${error}`);
    wrong.NamespaceDeletionDiscoveryFailure = {
      reason: 'DiscoveryFailed',
      message: `Discovery failed for some groups, ${discovery.size} failing: unable to retrieve the complete list of server APIs: ${details.join(', ')}`,
    };
  }
  if (content.length > 0) {
    wrong.NamespaceDeletionContentFailure = {
      reason: 'ContentDeletionFailed',
      message: `Failed to delete all resource types, ${content.length} remaining: ${aggregateMessage([...content].sort())}`,
    };
  }
  const present = remaining.filter((r) => r.count > 0);
  if (present.length > 0) {
    const parts = present.map(({ resource, count }) => `${resource.plural}.${resource.group} has ${count} resource instances`).sort();
    wrong.NamespaceContentRemaining = { reason: 'SomeResourcesRemain', message: `Some resources are remaining: ${parts.join(', ')}` };
  }
  const finalizers = new Map<string, number>();
  for (const { finalizers: held } of present) for (const [name, count] of held) finalizers.set(name, (finalizers.get(name) ?? 0) + count);
  if (finalizers.size > 0) {
    const parts = [...finalizers].map(([name, count]) => `${name} in ${count} resource instances`).sort();
    wrong.NamespaceFinalizersRemaining = {
      reason: 'SomeFinalizersRemain',
      message: `Some content in the namespace has finalizers remaining: ${parts.join(', ')}`,
    };
  }
  return wrong;
}
