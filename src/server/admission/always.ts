import { FieldErrors, FieldPath, fieldErrorMessage, type Pod, type PodSpec } from '../../api/index.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../request.ts';
import { isCreate, isOn, isUpdate, refuse } from './context.ts';

export const alwaysAdmit: AdmissionPlugin = { name: 'AlwaysAdmit', handles: () => false };

export const alwaysDeny: AdmissionPlugin = {
  name: 'AlwaysDeny',
  handles: () => true,
  validate: (request) => {
    throw refuse(request, 'admission control is denying all modifications');
  },
};

export const containersOf = (spec: PodSpec | undefined) => [
  ...(spec?.initContainers ?? []),
  ...(spec?.containers ?? []),
  ...(spec?.ephemeralContainers ?? []),
];

/** Every image is pulled anew, so that a pod can only run images it has the credentials for. */
export const alwaysPullImages: AdmissionPlugin = {
  name: 'AlwaysPullImages',
  handles: (r) => isOn(r, 'pods') && (isCreate(r) || (isUpdate(r) && hasNewImage(r))),
  admit(request) {
    const { spec } = request.object as Pod;
    for (const container of containersOf(spec)) container.imagePullPolicy = 'Always';
    for (const { image } of spec?.volumes ?? []) if (image) image.pullPolicy = 'Always';
  },
  validate(request) {
    const problems = new FieldErrors();
    const path = new FieldPath('spec');
    const { spec } = request.object as Pod;
    for (const list of ['initContainers', 'containers', 'ephemeralContainers'] as const)
      for (const [i, { imagePullPolicy = '' }] of (spec?.[list] ?? []).entries())
        if (imagePullPolicy !== 'Always')
          problems.notSupported(path.child(list).index(i).child('imagePullPolicy'), imagePullPolicy, ['Always']);
    const [first] = problems.list.map(fieldErrorMessage);
    if (first !== undefined) throw refuse(request, first);
  },
};

/** A pod that was there before keeps what it says of the images that it had. */
function hasNewImage({ object, oldObject }: AdmissionRequest): boolean {
  const before = new Set(containersOf((oldObject as Pod).spec).map(({ image }) => image));
  return containersOf((object as Pod).spec).some(({ image }) => !before.has(image));
}
