/** Where a container sees the pod's volumes: as folders and as raw devices. */
import type { FieldErrors, FieldPath } from '../fields.ts';
import type { Container, Volume, VolumeMount } from '../generated/core.v1.ts';
import { requireDescendingPath } from './file-paths.ts';

export type VolumesByName = ReadonlyMap<string, Volume>;

function validatePropagation(mount: VolumeMount, container: Container, path: FieldPath, errors: FieldErrors): void {
  const { mountPropagation: mode } = mount;
  if (mode === undefined) return;
  const supported = ['Bidirectional', 'HostToContainer', 'None'];
  if (!supported.includes(mode)) errors.notSupported(path, mode, supported);
  if (mode === 'Bidirectional' && !container.securityContext?.privileged)
    errors.forbidden(path, 'Bidirectional mount propagation is available only to privileged containers');
}

function validateRecursiveReadOnly(mount: VolumeMount, path: FieldPath, errors: FieldErrors): void {
  const { recursiveReadOnly: mode } = mount;
  if (mode === undefined || mode === 'Disabled') return;
  if (mode !== 'Enabled' && mode !== 'IfPossible') {
    errors.notSupported(path, mode, ['Disabled', 'Enabled', 'IfPossible']);
    return;
  }
  if (!mount.readOnly) errors.forbidden(path, 'may only be specified when readOnly is true');
  if (mount.mountPropagation && mount.mountPropagation !== 'None')
    errors.forbidden(path, 'may only be specified when mountPropagation is None or not specified');
}

/** Mounts name volumes of the pod, at paths that differ and that no device has. */
export function validateVolumeMounts(container: Container, volumes: VolumesByName, path: FieldPath, errors: FieldErrors): void {
  const devices = container.volumeDevices ?? [];
  const mountPaths = new Set<string>();
  for (const [i, mount] of (container.volumeMounts ?? []).entries()) {
    const at = path.index(i);
    const { name = '', mountPath = '' } = mount;
    if (!name) errors.required(at.child('name'));
    if (!volumes.has(name)) errors.notFound(at.child('name'), name);
    if (!mountPath) errors.required(at.child('mountPath'));
    if (mountPaths.has(mountPath)) errors.invalid(at.child('mountPath'), mountPath, 'must be unique');
    mountPaths.add(mountPath);
    if (devices.some((device) => device.name === name)) errors.invalid(at.child('name'), name, 'must not already exist in volumeDevices');
    if (devices.some((device) => device.devicePath === mountPath))
      errors.invalid(at.child('mountPath'), mountPath, 'must not already exist as a path in volumeDevices');
    // Upstream reports these at the list, not at the mount.
    if (mount.subPath) requireDescendingPath(errors, path.child('subPath'), mount.subPath);
    if (mount.subPathExpr) {
      if (mount.subPath) errors.invalid(at.child('subPathExpr'), mount.subPathExpr, 'subPathExpr and subPath are mutually exclusive');
      requireDescendingPath(errors, path.child('subPathExpr'), mount.subPathExpr);
    }
    validatePropagation(mount, container, path.child('mountPropagation'), errors);
    validateRecursiveReadOnly(mount, path.child('recursiveReadOnly'), errors);
  }
}

/** Devices name claims of the pod, at paths that differ and that no mount has. */
export function validateVolumeDevices(container: Container, volumes: VolumesByName, path: FieldPath, errors: FieldErrors): void {
  const mounts = container.volumeMounts ?? [];
  const names = new Set<string>();
  const paths = new Set<string>();
  for (const [i, { name = '', devicePath = '' }] of (container.volumeDevices ?? []).entries()) {
    const namePath = path.index(i).child('name');
    const devicePathPath = path.index(i).child('devicePath');
    const volume = volumes.get(name);
    if (!name) errors.required(namePath);
    if (names.has(name)) errors.invalid(namePath, name, 'must be unique');
    if (!volume) errors.notFound(namePath, name);
    else if (!volume.persistentVolumeClaim && !volume.ephemeral)
      errors.invalid(namePath, name, 'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode');
    if (!devicePath) errors.required(devicePathPath);
    if (paths.has(devicePath)) errors.invalid(devicePathPath, devicePath, 'must be unique');
    if (devicePath.split('/').includes('..')) errors.invalid(devicePathPath, devicePath, "can not contain backsteps ('..')");
    else paths.add(devicePath);
    if (mounts.some((mount) => mount.name === name)) errors.invalid(namePath, name, 'must not already exist in volumeMounts');
    if (mounts.some((mount) => mount.mountPath === devicePath))
      errors.invalid(devicePathPath, devicePath, 'must not already exist as a path in volumeMounts');
    if (name) names.add(name);
  }
}
