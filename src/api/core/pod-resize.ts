/** What a resize of a running pod may change (upstream: ValidatePodResize). */
import { semanticEqual } from '../equality.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import type { Container, Pod, PodSpec, ResourceList, ResourceRequirements } from '../generated/core.v1.ts';
import { mirrorPodAnnotation } from './pod-annotations.ts';
import { computePodQos, isSidecar } from './pod-resources.ts';

const specPath = new FieldPath('spec');
const resourcesPath = specPath.child('resources');
// How upstream prints the path of the object itself.
const wholePath = new FieldPath('[]');
const lists = ['containers', 'initContainers'] as const;

const isRemoved = (next: ResourceList = {}, prev: ResourceList = {}) => Object.keys(prev).some((name) => next[name] === undefined);
const saysAnything = ({ limits = {}, requests = {} }: ResourceRequirements = {}) =>
  Object.keys(limits).length + Object.keys(requests).length > 0;

function withoutCpuAndMemory({ limits, requests, ...others }: ResourceRequirements = {}): unknown {
  const without = ({ cpu: _cpu, memory: _memory, ...rest }: ResourceList = {}) => rest;
  return { ...others, limits: without(limits), requests: without(requests) };
}

const fixedPart = ({ resources, ...rest }: Container) => ({ ...rest, resources: withoutCpuAndMemory(resources) });

function validatePodLevel(next: PodSpec, prev: PodSpec, errors: FieldErrors): void {
  if (!saysAnything(next.resources) && !saysAnything(prev.resources)) return;
  if (prev.resources && !next.resources) {
    errors.forbidden(resourcesPath, 'pod-level resources cannot be removed');
    return;
  }
  for (const list of ['requests', 'limits'] as const)
    if (isRemoved(next.resources?.[list], prev.resources?.[list]))
      errors.forbidden(resourcesPath.child(list), `pod-level resource ${list} cannot be removed`);
  if (!semanticEqual(withoutCpuAndMemory(next.resources), withoutCpuAndMemory(prev.resources)))
    errors.forbidden(specPath, 'only cpu and memory resources are mutable at pod-level');
}

/** Answers whether the containers are the same ones, in the same order. */
function validateOrder(next: PodSpec, prev: PodSpec, errors: FieldErrors): boolean {
  const before = errors.list.length;
  for (const list of lists) {
    const path = specPath.child(list);
    const now = next[list] ?? [];
    const old = prev[list] ?? [];
    if (now.length !== old.length) errors.forbidden(path, `${list} may not be added or removed on resize`);
    else
      for (const [i, { name }] of old.entries())
        if (now[i]?.name !== name) errors.forbidden(path.index(i).child('name'), `${list} may not be renamed or reordered on resize`);
  }
  return errors.list.length === before;
}

function validateKept(next: readonly Container[], prev: readonly Container[], path: FieldPath, errors: FieldErrors): void {
  for (const [i, { resources: old = {} }] of prev.entries())
    for (const list of ['requests', 'limits'] as const)
      if (isRemoved(next[i]?.resources?.[list], old[list]))
        errors.forbidden(path.index(i).child('resources', list), `resource ${list} cannot be removed`);
}

function validateInitContainer(now: Container, old: Container, path: FieldPath, errors: FieldErrors): void {
  if (!semanticEqual(fixedPart(now), fixedPart(old)))
    errors.forbidden(path, 'only cpu and memory resources for init or sidecar containers are mutable');
  const restarts = now.resizePolicy?.some(({ restartPolicy }) => restartPolicy === 'RestartContainer');
  if (!isSidecar(now) && restarts && !semanticEqual(now, old))
    errors.forbidden(path, 'non-sidecar init containers with a resize policy of RestartContainer cannot be resized');
}

/** A resize changes cpu and memory of running containers, and never what kind of pod it is. */
export function validatePodResize(next: Pod, prev: Pod, errors: FieldErrors): void {
  if (prev.metadata.annotations?.[mirrorPodAnnotation] !== undefined) {
    errors.forbidden(wholePath, 'static pods cannot be resized');
    return;
  }
  if (prev.spec.os?.name === 'windows') {
    errors.forbidden(wholePath, 'windows pods cannot be resized');
    return;
  }
  if ((prev.status?.qosClass ?? computePodQos(prev)) !== computePodQos(next))
    errors.invalid(specPath, next.status?.qosClass ?? '', 'Pod QOS Class may not change as a result of resizing');
  const running = (prev.status?.containerStatuses ?? []).find((status) => status.state?.running);
  if (running && !running.resources) errors.forbidden(specPath, 'Pod running on node without support for resize');
  validatePodLevel(next.spec, prev.spec, errors);
  if (!validateOrder(next.spec, prev.spec, errors)) return;
  for (const list of ['initContainers', 'containers'] as const)
    validateKept(next.spec[list] ?? [], prev.spec[list] ?? [], specPath.child(list), errors);
  for (const [i, old] of (prev.spec.containers ?? []).entries()) {
    const now = next.spec.containers[i];
    if (now && !semanticEqual(fixedPart(now), fixedPart(old))) errors.forbidden(specPath, 'only cpu and memory resources are mutable');
  }
  for (const [i, old] of (prev.spec.initContainers ?? []).entries()) {
    const now = next.spec.initContainers?.[i];
    if (now) validateInitContainer(now, old, specPath.child('initContainers').index(i), errors);
  }
}
