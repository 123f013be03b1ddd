import type { RoleBinding, Subject } from '../generated/rbac.v1.ts';
import type * as v1alpha1 from '../generated/rbac.v1alpha1.ts';
import type { ServedVersion } from '../kind.ts';
import { parseApiVersion, type Resource } from '../resource.ts';
import { convertedVersion } from '../served-version.ts';
import { rbacGroup } from './policy-rules.ts';

const apiVersion = `${rbacGroup}/v1alpha1`;
const everybody = 'system:authenticated';

const defaultApiVersions: Record<string, string> = { ServiceAccount: 'v1', User: apiVersion, Group: apiVersion };

function toSubject({ apiVersion: given = '', ...subject }: v1alpha1.Subject): Subject {
  const { group } = parseApiVersion(given);
  // That version's user `*` meant everybody who is known.
  const isEverybody = subject.kind === 'User' && given === apiVersion && subject.name === '*';
  return { ...subject, ...(isEverybody ? { kind: 'Group', name: everybody } : {}), ...(group ? { apiGroup: group } : {}) };
}

function fromSubject({ apiGroup = '', ...subject }: Subject): v1alpha1.Subject {
  const known = defaultApiVersions[subject.kind];
  if (known !== undefined && parseApiVersion(known).group === apiGroup) return { ...subject, apiVersion: known };
  return { ...subject, apiVersion: apiGroup === '' ? 'unknown' : `${apiGroup}/unknown` };
}

/** Bindings of rbac v1alpha1, whose subjects name an API version in the place of a group. */
export function bindingV1alpha1<V extends v1alpha1.RoleBinding, T extends RoleBinding>(
  served: Resource<V>,
  storage: Resource<T>,
): ServedVersion<T> {
  return convertedVersion<V, T>(served, storage, {
    defaults({ subjects, roleRef }) {
      if (roleRef) roleRef.apiGroup ||= rbacGroup;
      for (const subject of subjects ?? []) {
        const known = defaultApiVersions[subject.kind];
        if (!subject.apiVersion && known !== undefined) subject.apiVersion = known;
      }
    },
    // Beside the subjects, both versions have the same fields.
    toStorage: (binding) => ({ ...binding, ...(binding.subjects ? { subjects: binding.subjects.map(toSubject) } : {}) }) as unknown as T,
    fromStorage: (binding) =>
      ({ ...binding, ...(binding.subjects ? { subjects: binding.subjects.map(fromSubject) } : {}) }) as unknown as V,
  });
}
