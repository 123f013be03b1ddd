/**
 * Going back to an earlier revision as kubectl asked for it up to 1.13: POST deployments/NAME/rollback, in extensions/v1beta1 and
 * apps/v1beta1. It leaves the wish with the deployment, whose controller sees to it.
 */
import {
  Deployment,
  errors,
  type extensionsV1beta1,
  FieldErrors,
  FieldPath,
  type KubeObject,
  type Resource,
  rollbackAnnotation,
  type Status,
  semanticEqual,
  validateAnnotations,
} from '../../api/index.ts';
import { objectAnswer } from '../exchange.ts';
import type { HandlerCall, SubresourceHandler } from '../registry/resource-handler.ts';
import type { RestDependencies } from './index.ts';

type DeploymentRollback = extensionsV1beta1.DeploymentRollback & KubeObject;

const rollbackKind = (group: string): Resource<DeploymentRollback> => ({
  ...{ group, version: 'v1beta1', kind: 'DeploymentRollback', plural: 'deploymentrollbacks', namespaced: true },
});

function validate({ name, updatedAnnotations, rollbackTo }: DeploymentRollback): void {
  const problems = new FieldErrors();
  validateAnnotations(updatedAnnotations, new FieldPath('updatedAnnotations'), problems);
  if (!name) problems.required(new FieldPath('name'), 'name is required');
  const revision = rollbackTo?.revision ?? 0;
  if (revision < 0) problems.invalid(new FieldPath('rollbackTo').child('version'), revision, 'must be greater than or equal to 0');
  if (!problems.ok) throw errors.invalid({ group: 'apps', kind: 'DeploymentRollback' }, name, problems.list);
}

function withWish(deployment: Deployment, { updatedAnnotations, rollbackTo }: DeploymentRollback): Deployment {
  const { metadata } = deployment;
  const annotations = { ...metadata.annotations, ...updatedAnnotations, [rollbackAnnotation]: String(rollbackTo?.revision ?? 0) };
  if (semanticEqual(annotations, metadata.annotations)) return deployment;
  return { ...deployment, metadata: { ...metadata, annotations, generation: (metadata.generation ?? 0) + 1 } };
}

async function rollBack({ storageOf }: RestDependencies, call: HandlerCall, kind: Resource<DeploymentRollback>) {
  const { namespace, name } = call.context.info;
  const rollback = await call.body(kind);
  await call.admit('CREATE', kind, rollback);
  validate(rollback);
  if (rollback.name !== name) throw errors.badRequest('name in URL does not match name in DeploymentRollback object');
  const deployments = storageOf(Deployment);
  if (call.options.dryRun) {
    if ((await deployments.get(namespace, name)) === undefined) throw errors.notFound(Deployment, name);
  } else await deployments.update(namespace, name, {}, ({ object }) => withWish(object, rollback));
  const message = `rollback request for deployment ${JSON.stringify(name)} succeeded`;
  return objectAnswer({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', message, code: 200 } satisfies Status, 201);
}

export const rollbackHandlers = (dependencies: RestDependencies): SubresourceHandler[] =>
  ['apps', 'extensions'].map((group) => {
    const kind = rollbackKind(group);
    return {
      ...{ group, version: 'v1beta1', resource: 'deployments', subresource: 'rollback', verbs: ['create'] },
      kind: { group, version: 'v1beta1', kind: kind.kind },
      handle: (call) => rollBack(dependencies, call, kind),
    };
  });
