import { reject } from '../core/checks.ts';
import { nodeLabelMapWarnings } from '../core/node-label-warnings.ts';
import { validateContainerResources } from '../core/resource-requirements.ts';
import { validateTolerations } from '../core/scheduling-rules.ts';
import { FieldPath } from '../fields.ts';
import { RuntimeClass } from '../generated/node.v1.ts';
import * as v1alpha1 from '../generated/node.v1alpha1.ts';
import * as v1beta1 from '../generated/node.v1beta1.ts';
import { internalForm } from '../internal-form.ts';
import { defineKind } from '../kind.ts';
import { isDns1123Label } from '../names.ts';
import { validateImmutable, validateLabels } from '../object-meta.ts';
import { ageColumn, nameColumn } from '../printing.ts';
import { convertedVersion, sameShape } from '../served-version.ts';

/** The first version had everything below a spec. */
const nodeV1alpha1 = convertedVersion(v1alpha1.RuntimeClass, RuntimeClass, {
  toStorage({ spec, ...rest }) {
    const { runtimeHandler, ...others } = spec;
    return { ...rest, handler: runtimeHandler, ...others };
  },
  fromStorage: ({ handler, overhead, scheduling, ...rest }) => ({
    ...rest,
    spec: { runtimeHandler: handler, ...(overhead ? { overhead } : {}), ...(scheduling ? { scheduling } : {}) },
  }),
});

export const runtimeClass = defineKind<RuntimeClass>({
  resource: RuntimeClass,
  versions: [sameShape(v1beta1.RuntimeClass, RuntimeClass), nodeV1alpha1],
  validate({ handler = '', overhead, scheduling }, errors) {
    if (handler === '') errors.required(new FieldPath('handler'));
    else reject(errors, new FieldPath('handler'), handler, isDns1123Label(handler));
    if (overhead) validateContainerResources({ limits: overhead.podFixed ?? {} }, new Set(), new FieldPath('overhead'), errors);
    if (!scheduling) return;
    const path = new FieldPath('scheduling');
    validateLabels(scheduling.nodeSelector, path.child('nodeSelector'), errors);
    const { tolerations = [] } = scheduling;
    const at = path.child('tolerations');
    validateTolerations(tolerations, at, errors);
    const keys = tolerations.map(({ key = '', operator = '', value = '', effect = '' }) => JSON.stringify([key, operator, value, effect]));
    for (const [i, key] of keys.entries())
      if (keys.indexOf(key) < i) errors.duplicate(at.index(i), internalForm('core.v1.Toleration', tolerations[i]));
  },
  validateUpdate(next, prev, errors) {
    validateImmutable(next.handler, prev.handler, new FieldPath('handler'), errors);
  },
  warnings: ({ scheduling }) => nodeLabelMapWarnings(scheduling?.nodeSelector, () => new FieldPath('scheduling').child('nodeSelector')),
  allowCreateOnUpdate: true,
  allowUnconditionalUpdate: false,
  columns: [
    nameColumn,
    {
      name: 'Handler',

      value: (rc) => rc.handler ?? '',
    },
    ageColumn,
  ],
});
