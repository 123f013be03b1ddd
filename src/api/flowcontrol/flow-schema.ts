import { deepEqual } from '../equality.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import {
  FlowSchema,
  type NonResourcePolicyRule,
  type PolicyRulesWithSubjects,
  type ResourcePolicyRule,
  type Subject,
} from '../generated/flowcontrol.v1.ts';
import * as v1beta1 from '../generated/flowcontrol.v1beta1.ts';
import * as v1beta2 from '../generated/flowcontrol.v1beta2.ts';
import * as v1beta3 from '../generated/flowcontrol.v1beta3.ts';
import { internalForm } from '../internal-form.ts';
import { defineKind } from '../kind.ts';
import { nameIsDnsLabel, nameIsDnsSubdomain } from '../names.ts';
import { ageColumn, fieldDoc, nameColumn } from '../printing.ts';
import { sameShape } from '../served-version.ts';
import { mandatoryConfiguration } from './bootstrap-configuration.ts';
import { validateFlowConditions } from './conditions.ts';

const specPath = new FieldPath('spec');
const highestPrecedence = 10_000;
const defaultPrecedence = 1000;
const distinguishers = ['ByNamespace', 'ByUser'];
const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch'];
const subjectKinds = ['Group', 'ServiceAccount', 'User'];

function validateSubject(subject: Subject, at: FieldPath, errors: FieldErrors): void {
  const parts = { ServiceAccount: 'serviceAccount', User: 'user', Group: 'group' } as const;
  if (!subjectKinds.includes(subject.kind)) {
    errors.notSupported(at.child('kind'), subject.kind, subjectKinds);
    return;
  }
  const own = parts[subject.kind as keyof typeof parts]; // checked above
  const given = subject[own];
  const path = at.child(own);
  if (given === undefined) errors.required(path, `${own} is required when subject kind is '${subject.kind}'`);
  else if (!given.name) errors.required(path.child('name'));
  if (subject.serviceAccount !== undefined && own === 'serviceAccount') {
    const { name, namespace } = subject.serviceAccount;
    if (name && name !== '*') for (const message of nameIsDnsSubdomain(name, false)) errors.invalid(path.child('name'), name, message);
    if (!namespace) errors.required(path.child('namespace'), 'must specify namespace for service account');
    else for (const message of nameIsDnsLabel(namespace, false)) errors.invalid(path.child('namespace'), namespace, message);
  }
  for (const [kind, part] of Object.entries(parts))
    if (part !== own && subject[part] !== undefined)
      errors.forbidden(at.child(part), `${part} is forbidden when subject kind is not '${kind}'`);
}

/** Whether a list has `*`, which must then stand alone. */
function wildcard(list: readonly string[], at: FieldPath, what: string, errors: FieldErrors): boolean {
  if (!list.includes('*')) return false;
  if (list.length > 1) errors.invalid(at, list, `if '*' is present, must not specify other ${what}`);
  return true;
}

function validateVerbs(given: readonly string[], at: FieldPath, errors: FieldErrors): void {
  if (given.length === 0) errors.required(at, 'verbs must contain at least one value');
  else if (!wildcard(given, at, 'verbs', errors) && !given.every((verb) => verbs.includes(verb))) errors.notSupported(at, given, verbs);
}

function validateUrl(url: string, at: FieldPath, errors: FieldErrors): void {
  const wildcards = url.split('*').length - 1;
  if (url === '') errors.invalid(at, url, 'must not be empty');
  else if (url === '/') return;
  else if (!url.startsWith('/')) errors.invalid(at, url, 'must start with slash');
  else if (url.includes(' ')) errors.invalid(at, url, 'must not contain white-space');
  else if (url.includes('//')) errors.invalid(at, url, 'must not contain double slash');
  else if (wildcards > 1 || (wildcards === 1 && !url.endsWith('/*'))) errors.invalid(at, url, 'wildcard can only do suffix matching');
}

function validateResourceRule(rule: ResourcePolicyRule, at: FieldPath, errors: FieldErrors): void {
  const { apiGroups = [], resources = [], namespaces = [] } = rule;
  validateVerbs(rule.verbs ?? [], at.child('verbs'), errors);
  if (apiGroups.length === 0) errors.required(at.child('apiGroups'), 'resource rules must supply at least one api group');
  else wildcard(apiGroups, at.child('apiGroups'), 'api groups', errors);
  if (resources.length === 0) errors.required(at.child('resources'), 'resource rules must supply at least one resource');
  else wildcard(resources, at.child('resources'), 'resources', errors);
  const path = at.child('namespaces');
  if (namespaces.length === 0 && !rule.clusterScope)
    errors.required(path, 'resource rules that are not cluster scoped must supply at least one namespace');
  else if (!wildcard(namespaces, path, 'namespaces', errors))
    for (const [i, namespace] of namespaces.entries())
      for (const message of nameIsDnsLabel(namespace, false))
        errors.invalid(path.index(i), namespace, `each member of this list must be '*' or a DNS-1123 label; ${message}`);
}

function validateNonResourceRule(rule: NonResourcePolicyRule, at: FieldPath, errors: FieldErrors): void {
  const { nonResourceURLs = [] } = rule;
  const path = at.child('nonResourceURLs');
  validateVerbs(rule.verbs ?? [], at.child('verbs'), errors);
  if (nonResourceURLs.length === 0) errors.required(path, 'nonResourceURLs must contain at least one value');
  else if (!wildcard(nonResourceURLs, path, 'non-resource URLs', errors))
    for (const [i, url] of nonResourceURLs.entries()) validateUrl(url, path.index(i), errors);
}

function validateRule(rule: PolicyRulesWithSubjects, at: FieldPath, errors: FieldErrors): void {
  const { subjects = [], resourceRules = [], nonResourceRules = [] } = rule;
  if (subjects.length === 0) errors.required(at.child('subjects'), 'subjects must contain at least one value');
  for (const [i, subject] of subjects.entries()) validateSubject(subject, at.child('subjects').index(i), errors);
  if (resourceRules.length === 0 && nonResourceRules.length === 0)
    errors.required(at, 'at least one of resourceRules and nonResourceRules has to be non-empty');
  for (const [i, given] of resourceRules.entries()) validateResourceRule(given, at.child('resourceRules').index(i), errors);
  for (const [i, given] of nonResourceRules.entries()) validateNonResourceRule(given, at.child('nonResourceRules').index(i), errors);
}

export const flowSchema = defineKind<FlowSchema>({
  resource: FlowSchema,
  // Their fields are equal but for the types' names.
  versions: [v1beta3, v1beta2, v1beta1].map((version) => sameShape(version.FlowSchema, FlowSchema)),
  defaults(schema) {
    if (schema.spec) schema.spec.matchingPrecedence ||= defaultPrecedence;
  },
  subresources: {
    status: { keepsMetadata: true, validate: ({ status }, _prev, errors) => validateFlowConditions(status?.conditions, errors) },
  },
  validate(schema, errors) {
    const { spec, status } = schema;
    const precedence = spec?.matchingPrecedence ?? 0;
    const path = specPath.child('matchingPrecedence');
    if (precedence <= 0) errors.invalid(path, precedence, 'must be a positive value');
    if (precedence > highestPrecedence) errors.invalid(path, precedence, `must not be greater than ${highestPrecedence}`);
    if (precedence === 1 && schema.metadata.name !== 'exempt')
      errors.invalid(path, precedence, "only the schema named 'exempt' may have matchingPrecedence 1");
    const method = spec?.distinguisherMethod;
    if (method && !distinguishers.includes(method.type))
      errors.notSupported(specPath.child('distinguisherMethod', 'type'), { Type: method.type ?? '' }, distinguishers);
    const level = spec?.priorityLevelConfiguration?.name ?? '';
    const levelPath = specPath.child('priorityLevelConfiguration', 'name');
    if (level === '') errors.required(levelPath, 'must reference a priority level');
    else for (const message of nameIsDnsSubdomain(level, false)) errors.invalid(levelPath, level, message);
    for (const [i, rule] of (spec?.rules ?? []).entries()) validateRule(rule, specPath.child('rules').index(i), errors);
    const fixed = mandatoryConfiguration.flowSchemas.get(schema.metadata.name);
    if (fixed !== undefined && !deepEqual(spec, fixed))
      errors.invalid(
        specPath,
        internalForm('flowcontrol.v1.FlowSchemaSpec', spec),
        `spec of '${schema.metadata.name}' must equal the fixed value`,
      );
    validateFlowConditions(status?.conditions, errors);
  },
  // As they are tried.
  compareRows: (a, b) =>
    (a.spec.matchingPrecedence ?? 0) - (b.spec.matchingPrecedence ?? 0) || (a.metadata.name < b.metadata.name ? -1 : 1),
  columns: [
    nameColumn,
    {
      name: 'PriorityLevel',
      description: fieldDoc('flowcontrol.v1.PriorityLevelConfigurationReference.name'),
      value: ({ spec }) => spec.priorityLevelConfiguration.name,
    },
    {
      name: 'MatchingPrecedence',
      description: fieldDoc('flowcontrol.v1.FlowSchemaSpec.matchingPrecedence'),
      value: ({ spec }) => spec.matchingPrecedence ?? defaultPrecedence,
    },
    {
      name: 'DistinguisherMethod',
      description: fieldDoc('flowcontrol.v1.FlowSchemaSpec.distinguisherMethod'),
      value: ({ spec }) => spec.distinguisherMethod?.type ?? '<none>',
    },
    ageColumn,
    {
      name: 'MissingPL',
      description: 'references a broken or non-existent PriorityLevelConfiguration',
      value: ({ status }) => status?.conditions?.find(({ type }) => type === 'Dangling')?.status ?? '?',
    },
  ],
});
