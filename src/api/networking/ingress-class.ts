import { reject, requireDomainPrefixedPath } from '../core/checks.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import { IngressClass, type IngressClassParametersReference } from '../generated/networking.v1.ts';
import * as v1beta1 from '../generated/networking.v1beta1.ts';
import { defineKind } from '../kind.ts';
import { isDns1123Label, isDns1123Subdomain, isPathSegmentName } from '../names.ts';
import { validateImmutable } from '../object-meta.ts';
import { ageColumn, nameColumn } from '../printing.ts';
import { sameShape } from '../served-version.ts';

const isDefault = 'ingressclass.kubernetes.io/is-default-class';

const specPath = new FieldPath('spec');
const maxControllerLength = 250;

function validateParameters(parameters: IngressClassParametersReference, path: FieldPath, errors: FieldErrors): void {
  const { apiGroup, kind = '', name = '', scope, namespace } = parameters;
  if (apiGroup !== undefined) reject(errors, path.child('apiGroup'), apiGroup, isDns1123Subdomain(apiGroup));
  for (const [field, value] of [
    ['kind', kind],
    ['name', name],
  ] as const)
    if (value === '') errors.required(path.child(field));
    else reject(errors, path.child(field), value, isPathSegmentName(value));
  if (scope === undefined) {
    errors.required(path.child('scope'));
    return;
  }
  if (scope !== 'Cluster' && scope !== 'Namespace') errors.notSupported(path.child('scope'), scope, ['Cluster', 'Namespace']);
  if (scope === 'Namespace') {
    if (namespace === undefined) errors.required(path.child('namespace'), "`parameters.scope` is set to 'Namespace'");
    else reject(errors, path.child('namespace'), namespace, isDns1123Label(namespace));
  }
  if (scope === 'Cluster' && namespace !== undefined) errors.forbidden(path.child('namespace'), "`parameters.scope` is set to 'Cluster'");
}

function validateController(controller: string, path: FieldPath, errors: FieldErrors): void {
  if (controller.length > maxControllerLength) errors.tooLong(path, maxControllerLength);
  requireDomainPrefixedPath(errors, path, controller);
}

export const ingressClass = defineKind<IngressClass>({
  resource: IngressClass,
  versions: [sameShape(v1beta1.IngressClass, IngressClass)],
  generation: true,
  defaults(ic) {
    if (ic.spec?.parameters) ic.spec.parameters.scope ??= 'Cluster';
  },
  validate({ spec = {} }, errors) {
    validateController(spec.controller ?? '', specPath.child('controller'), errors);
    if (spec.parameters) validateParameters(spec.parameters, specPath.child('parameters'), errors);
  },
  validateFirst(next, prev, errors) {
    if (prev) validateImmutable(next.spec?.controller ?? '', prev.spec?.controller ?? '', specPath.child('controller'), errors);
  },
  columns: [
    { ...nameColumn, value: ({ metadata: { annotations, name } }) => `${name}${annotations?.[isDefault] === 'true' ? ' (default)' : ''}` },
    {
      name: 'Controller',
      description: 'Controller that is responsible for handling this class',
      value: ({ spec }) => spec?.controller ?? '',
    },
    {
      name: 'Parameters',
      description: 'A reference to a resource with additional parameters',
      value({ spec }) {
        if (!spec?.parameters) return '<none>';
        const { apiGroup, kind, name } = spec.parameters;
        return `${kind}${apiGroup === undefined ? '' : `.${apiGroup}`}/${name}`;
      },
    },
    ageColumn,
  ],
});
