import { type Draft, errors, type KubeObject, semanticEqual } from '../../api/index.ts';
import type { Clock, Random } from '../../time/index.ts';
import type { AdmissionRequest, Authorizer } from '../request.ts';
import type { Storages } from '../storages.ts';

/** What admission plugins stand on. */
export interface AdmissionContext {
  storages: Storages;
  clock: Clock;
  random: Random;
  /** For plugins that ask whether the user may do something else, too. */
  authorizer: Authorizer;
  /** Whether a feature gate is on; default: as upstream's are by default. */
  isEnabled?: ((gate: string) => boolean) | undefined;
}

export const isCreate = (r: AdmissionRequest) => r.operation === 'CREATE';
export const isUpdate = (r: AdmissionRequest) => r.operation === 'UPDATE';

/** A write of this core (or other group's) resource itself, no subresource. */
export function isOn(r: AdmissionRequest, resource: string, group = ''): boolean {
  return r.resource === resource && r.group === group && r.subresource === '';
}

/** Whether an update is about nothing but who owns the object and who holds its deletion up: the garbage collector must be able to. */
export function changesOnlyOwnership({ object, oldObject }: AdmissionRequest): boolean {
  const rest = (of: AdmissionRequest['object']) => {
    const { ownerReferences: _, finalizers: __, managedFields: ___, resourceVersion: ____, ...metadata } = { ...of?.metadata };
    return { ...of, metadata };
  };
  return oldObject !== undefined && semanticEqual(rest(object), rest(oldObject));
}

/** The request's refusal in upstream's form: `pods "x" is forbidden: WHY`. */
export function refuse(r: AdmissionRequest, why: string) {
  const metadata = r.object?.metadata as Draft<KubeObject>['metadata'] | undefined;
  return errors.forbidden({ group: r.group, plural: r.resource }, r.name || metadata?.name || metadata?.generateName || '', why);
}

const nameCharacters = 'bcdfghjklmnpqrstvwxz2456789';

/** Five letters as generateName appends them. */
export function nameSuffix(random: Random): string {
  let suffix = '';
  while (suffix.length < 5) suffix += nameCharacters[Math.floor(random.next() * nameCharacters.length)];
  return suffix;
}
