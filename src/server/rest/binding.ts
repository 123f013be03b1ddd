/** Assigning pods to nodes: POST pods/NAME/binding, and the older POST bindings. */
import {
  aggregateMessage,
  type coreV1,
  defineKind,
  errors,
  FieldErrors,
  FieldPath,
  fieldErrorMessage,
  type KindDefinition,
  type KubeObject,
  Pod,
  type Resource,
  type Status,
  StatusError,
} from '../../api/index.ts';
import { timestamp } from '../../time/index.ts';
import { objectAnswer } from '../exchange.ts';
import type { HandlerCall, SubresourceHandler } from '../registry/resource-handler.ts';
import type { RestDependencies } from './index.ts';

const bindingKind: Resource<coreV1.Binding> = { group: '', version: 'v1', kind: 'Binding', plural: 'bindings', namespaced: true };
const errorResource = { group: '', plural: 'pods/binding' };

/** The collection of bindings, which stores nothing. */
export const bindings: KindDefinition = defineKind<KubeObject>({ resource: bindingKind, virtual: true, verbs: ['create'] });

const success: Status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };

function validate(binding: coreV1.Binding): void {
  const problems = new FieldErrors();
  const target = new FieldPath('target');
  const { kind, name } = binding.target;
  if (kind && kind !== 'Node') problems.notSupported(target.child('kind'), kind, ['Node', '<empty>']);
  if (!name) problems.required(target.child('name'));
  if (problems.ok) return;
  // Upstream's plain error, which it answers with 500.
  throw new StatusError(500, '', aggregateMessage(problems.list.map(fieldErrorMessage)));
}

/** The pod on its node. Throws what upstream's scheduler knows as a conflict. */
function assign(pod: Pod, binding: coreV1.Binding, now: string, isOn: (gate: string) => boolean): Pod {
  const { name } = pod.metadata;
  const refuse = (why: string) => errors.conflict(errorResource, name, why);
  if (pod.metadata.deletionTimestamp !== undefined) throw refuse(`pod ${name} is being deleted, cannot be assigned to a host`);
  if (pod.spec.nodeName) throw refuse(`pod ${name} is already assigned to node ${JSON.stringify(pod.spec.nodeName)}`);
  if (pod.spec.schedulingGates?.length) throw refuse(`pod ${name} has non-empty .spec.schedulingGates`);
  const metadata = { ...pod.metadata };
  if (binding.metadata.annotations) metadata.annotations = { ...metadata.annotations, ...binding.metadata.annotations };
  // Topology labels of the node win over the pod's own (KEP-4742).
  if (isOn('PodTopologyLabelsAdmission') && binding.metadata.labels) metadata.labels = { ...metadata.labels, ...binding.metadata.labels };
  const conditions = (pod.status?.conditions ?? []).filter(({ type }) => type !== 'PodScheduled');
  conditions.push({ type: 'PodScheduled', status: 'True', lastProbeTime: null, lastTransitionTime: now } as unknown as coreV1.PodCondition);
  const status: Pod['status'] = { ...pod.status, conditions };
  // What was kept free for it has been taken (KEP-5278).
  if (isOn('ClearingNominatedNodeNameAfterBinding')) delete status.nominatedNodeName;
  return { ...pod, metadata, spec: { ...pod.spec, nodeName: binding.target.name ?? '' }, status };
}

async function bind(
  { storageOf, clock, isEnabled }: RestDependencies,
  call: HandlerCall,
  podName: string | undefined,
): Promise<ReturnType<typeof objectAnswer>> {
  const binding = await call.body(bindingKind);
  const { namespace } = call.context.info;
  const name = podName ?? binding.metadata.name;
  if (podName !== undefined && binding.metadata.name !== podName)
    throw errors.badRequest('name in URL does not match name in Binding object');
  binding.metadata.name = name;
  // Who only creates one has no other's uid.
  if (podName === undefined) delete (binding.metadata as Partial<typeof binding.metadata>).uid;
  await call.admit('CREATE', bindingKind, binding);
  validate(binding);
  if (!name) throw errors.badRequest('Name parameter required.');
  const pods = storageOf(Pod);
  const { uid, resourceVersion } = binding.metadata;
  const now = timestamp(clock);
  const isOn = (gate: string) => isEnabled?.(gate) ?? true;
  if (call.options.dryRun) {
    const pod = await pods.get(namespace, name);
    if (pod === undefined) throw errors.notFound(Pod, name);
    assign(pod.object, binding, now, isOn);
  } else
    await pods.update(namespace, name, { uid: uid || undefined, resourceVersion: resourceVersion || undefined }, ({ object }) =>
      assign(object, binding, now, isOn),
    );
  return objectAnswer(success, 201);
}

export function bindingHandlers(dependencies: RestDependencies): SubresourceHandler[] {
  const kind = { group: '', version: 'v1', kind: 'Binding' };
  return [
    {
      group: '',
      resource: 'pods',
      subresource: 'binding',
      verbs: ['create'],
      kind,
      handle: (call) => bind(dependencies, call, call.context.info.name),
    },
    { group: '', resource: 'bindings', subresource: '', verbs: ['create'], kind, handle: (call) => bind(dependencies, call, undefined) },
  ];
}
