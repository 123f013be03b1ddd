import { type FieldErrors, FieldPath } from '../fields.ts';
import { Namespace } from '../generated/core.v1.ts';
import { defineKind } from '../kind.ts';
import { isQualifiedName, nameIsDnsLabel } from '../names.ts';
import { requireStandardFinalizer } from '../object-meta.ts';
import { ageColumn, nameColumn } from '../printing.ts';
import { reject } from './checks.ts';

/** The label by which selectors find a namespace by its name. */
export const namespaceNameLabel = 'kubernetes.io/metadata.name';
/** The namespace controller's own finalizer: it goes when the namespace is empty. */
export const kubernetesFinalizer = 'kubernetes';

const finalizersPath = new FieldPath('spec').child('finalizers');
const phasePath = new FieldPath('status').child('Phase');

function validateFinalizer(finalizer: string, path: FieldPath, errors: FieldErrors): void {
  reject(errors, path, finalizer, isQualifiedName(finalizer));
  requireStandardFinalizer(finalizer, path, errors);
}

export const namespace = defineKind<Namespace>({
  resource: Namespace,
  shortNames: ['ns'],
  storagePrefix: 'namespaces',
  validateName: nameIsDnsLabel,
  // All namespaces at once is more than anybody means.
  verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
  generation: false,
  defaults(namespace) {
    namespace.spec ??= {};
    if (!namespace.status?.phase) namespace.status = { ...namespace.status, phase: 'Active' };
    if (namespace.metadata.name)
      namespace.metadata.labels = { ...namespace.metadata.labels, [namespaceNameLabel]: namespace.metadata.name };
  },
  create(namespace) {
    // With generateName the name is known only now.
    if (namespace.metadata.name)
      namespace.metadata.labels = { ...namespace.metadata.labels, [namespaceNameLabel]: namespace.metadata.name };
    namespace.status = { phase: 'Active' };
    const finalizers = namespace.spec.finalizers ?? [];
    if (!finalizers.includes(kubernetesFinalizer)) namespace.spec.finalizers = [...finalizers, kubernetesFinalizer];
  },
  update(next, prev) {
    next.spec = { ...next.spec, finalizers: prev.spec.finalizers };
    next.status = prev.status;
  },
  beginDeletion(namespace, _now, { orphanDependents, propagationPolicy }) {
    const said = orphanDependents !== undefined || propagationPolicy !== undefined;
    const wanted = {
      orphan: orphanDependents ?? propagationPolicy === 'Orphan',
      foregroundDeletion: orphanDependents === undefined ? propagationPolicy === 'Foreground' : !orphanDependents,
    };
    const { finalizers: given = [], ...metadata } = namespace.metadata;
    const others = given.filter((finalizer) => !Object.hasOwn(wanted, finalizer));
    const finalizers = said ? [...others, ...Object.entries(wanted).flatMap(([finalizer, is]) => (is ? [finalizer] : []))] : given;
    return {
      ...namespace,
      metadata: finalizers.length > 0 ? { ...metadata, finalizers } : metadata,
      status: { ...namespace.status, phase: 'Terminating' },
    };
  },
  validate(namespace, errors) {
    for (const finalizer of namespace.spec.finalizers ?? []) validateFinalizer(finalizer, finalizersPath, errors);
  },
  fieldSelectors: { 'status.phase': ({ status }) => status?.phase ?? '', name: ({ metadata }) => metadata.name },
  subresources: {
    status: {
      validate(next, _prev, errors) {
        const phase = next.status?.phase ?? '';
        if (!next.metadata.deletionTimestamp) {
          if (phase !== 'Active') errors.invalid(phasePath, phase, "may only be 'Active' if `deletionTimestamp` is empty");
        } else if (phase !== 'Terminating')
          errors.invalid(phasePath, phase, "may only be 'Terminating' if `deletionTimestamp` is not empty");
      },
    },
    finalize: {
      verbs: ['update'],
      update(next, prev) {
        next.status = prev.status;
      },
      validate(next, _prev, errors) {
        for (const [i, finalizer] of (next.spec.finalizers ?? []).entries()) validateFinalizer(finalizer, finalizersPath.index(i), errors);
      },
    },
  },
  columns: [
    nameColumn,
    { name: 'Status', description: 'The status of the namespace', value: ({ status }) => status?.phase ?? '' },
    ageColumn,
  ],
});
