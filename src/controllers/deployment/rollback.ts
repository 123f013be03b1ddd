/** Going back to an earlier revision by the annotation that extensions/v1beta1's field `rollbackTo` lives on in. Pure. */
import { type Deployment, type ReplicaSet, rollbackAnnotation, semanticEqual } from '../../api/index.ts';
import { compareRevisions, hashLabel, ownAnnotations, parseRevision, revisionOf, withoutHash } from './revisions.ts';

export interface Rollback {
  /** The Deployment without the wish, and with the template of the revision where there is one. */
  deployment: Deployment;
  event: { type: 'Normal' | 'Warning'; reason: string; message: string };
}

/** Undefined where no revision is wished for. */
export function rollback(deployment: Deployment, sets: readonly ReplicaSet[]): Rollback | undefined {
  const { [rollbackAnnotation]: wish, ...annotations } = deployment.metadata.annotations ?? {};
  const wanted = parseRevision(wish);
  if (wanted === undefined) return undefined;
  const cleared: Deployment = { ...deployment, metadata: { ...deployment.metadata, annotations } };
  const warning = (reason: string, message: string): Rollback => ({ deployment: cleared, event: { type: 'Warning', reason, message } });
  // 0 is the one before the present one.
  const before = [...sets].sort(compareRevisions).at(-2);
  const revision = wanted || (before ? revisionOf(before) : 0n);
  if (revision === 0n) return warning('DeploymentRollbackRevisionNotFound', 'Unable to find last revision.');
  const set = sets.find((s) => revisionOf(s) === revision);
  if (!set) return warning('DeploymentRollbackRevisionNotFound', 'Unable to find the revision to rollback to.');
  const { name } = deployment.metadata;
  const { template } = set.spec;
  if (!template || semanticEqual(withoutHash(template), withoutHash(deployment.spec.template))) {
    const message = `The rollback revision contains the same template as current deployment ${JSON.stringify(name)}`;
    return warning('DeploymentRollbackTemplateUnchanged', message);
  }
  const { [hashLabel]: _, ...labels } = template.metadata?.labels ?? {};
  const of = (all: Record<string, string>, own: boolean) => Object.entries(all).filter(([key]) => ownAnnotations.has(key) === own);
  const restored = Object.fromEntries([...of(annotations, true), ...of(set.metadata.annotations ?? {}, false)]);
  return {
    deployment: {
      ...cleared,
      metadata: { ...cleared.metadata, annotations: restored },
      spec: { ...deployment.spec, template: { ...template, metadata: { ...template.metadata, labels } } },
    },
    event: {
      type: 'Normal',
      reason: 'DeploymentRollback',
      message: `Rolled back deployment ${JSON.stringify(name)} to revision ${revision}`,
    },
  };
}
