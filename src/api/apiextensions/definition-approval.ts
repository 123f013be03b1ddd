/** Groups below Kubernetes' own domains are for APIs that Kubernetes' reviewers have approved (KEP-1111). */
import { type FieldErrors, FieldPath, goQuote } from '../fields.ts';
import type { CustomResourceDefinition, CustomResourceDefinitionCondition } from '../generated/apiextensions.v1.ts';

const annotation = 'api-approved.kubernetes.io';
const must = `protected groups must have approval annotation "${annotation}"`;
const see = 'see https://github.com/kubernetes/enhancements/pull/1111';

const isProtected = ({ spec }: CustomResourceDefinition) => /(^|\.)(k8s|kubernetes)\.io$/.test(spec.group ?? '');
const approvalText = ({ metadata }: CustomResourceDefinition) => metadata.annotations?.[annotation] ?? '';

interface Approval {
  state: 'Missing' | 'Unapproved' | 'Approved' | 'Invalid';
  message: string;
}

function approvalOf(definition: CustomResourceDefinition): Approval {
  const text = approvalText(definition);
  if (text === '') return { state: 'Missing', message: `${must}, ${see}` };
  if (text.startsWith('unapproved')) return { state: 'Unapproved', message: `not approved: ${goQuote(text)}` };
  if (URL.canParse(text) && new URL(text).host !== '') return { state: 'Approved', message: `approved in ${text}` };
  return { state: 'Invalid', message: `${must} with either a URL or a reason starting with "unapproved", ${see}` };
}

/** What the definition's status says of its approval; undefined for groups that need none. */
export function approvalCondition(definition: CustomResourceDefinition): CustomResourceDefinitionCondition | undefined {
  if (!isProtected(definition)) return undefined;
  const { state, message } = approvalOf(definition);
  const type = 'KubernetesAPIApprovalPolicyConformant';
  return { type, status: state === 'Approved' ? 'True' : 'False', reason: `${state}Annotation`, message };
}

export function validateApproval(
  definition: CustomResourceDefinition,
  prev: CustomResourceDefinition | undefined,
  errors: FieldErrors,
): void {
  if (!isProtected(definition)) return;
  const { state, message } = approvalOf(definition);
  if (prev && approvalOf(prev).state === state) return;
  const path = new FieldPath('metadata').child('annotations').key(annotation);
  if (state === 'Missing') errors.required(path, message);
  else if (state === 'Invalid') errors.invalid(path, approvalText(definition), message);
}
