import type { Pod, PodSpec } from '../../api/index.ts';
import type { AdmissionPlugin } from '../request.ts';
import { isCreate, isUpdate, refuse } from './context.ts';

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
  handles: (r) =>
    r.group === '' &&
    r.resource === 'pods' &&
    (r.subresource === '' || r.subresource === 'ephemeralcontainers') &&
    (isCreate(r) || isUpdate(r)),
  admit(request) {
    for (const container of containersOf((request.object as Pod).spec)) container.imagePullPolicy = 'Always';
  },
};
