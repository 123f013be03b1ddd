/** Errors of upstream's storage (k8s.io/apiserver/pkg/storage), as they reach clients. */
import { errors, type StatusError } from '../../api/index.ts';

interface Named {
  group: string;
  plural: string;
}

/** `Precondition failed: UID in precondition: 1, UID in object meta: 2`. */
export const preconditionFailed = (what: 'UID' | 'ResourceVersion', wanted: string | undefined, found = '') =>
  `Precondition failed: ${what} in precondition: ${wanted}, ${what} in object meta: ${found}`;

/** A 409 of what is stored under a key. */
export const invalidObject = (resource: Named, name: string, key: string, why: string): StatusError =>
  errors.conflict(resource, name, `StorageError: invalid object, Code: 4, Key: ${key}, ResourceVersion: 0, AdditionalErrorMsg: ${why}`);
