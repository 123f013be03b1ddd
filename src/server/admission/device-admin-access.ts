/** Who may use devices that others use too: claims of a namespace that says so. */
import { FieldPath, Namespace, type ResourceClaimTemplate, type resourceV1 } from '../../api/index.ts';
import type { WriteHook } from '../request.ts';
import { readObject, type Storages } from '../storages.ts';

/** Of namespaces in which devices may be used that others use too. */
export const adminAccessLabel = 'resource.kubernetes.io/admin-access';
export const adminAccessMessage = `admin access to devices requires the \`${adminAccessLabel}: true\` label on the containing namespace`;

function asks({ spec }: resourceV1.ResourceClaim | ResourceClaimTemplate): boolean {
  const { devices } = 'spec' in spec ? spec.spec : spec;
  return devices?.requests?.some(({ exactly }) => exactly?.adminAccess) ?? false;
}

/** Checked of what is new: what a claim asks for does not change. */
export function deviceAdminAccess(storages: Storages): WriteHook<resourceV1.ResourceClaim | ResourceClaimTemplate> {
  return {
    async begin({ next, prev, problems }) {
      if (prev !== undefined || !asks(next)) return () => {};
      const { namespace = '' } = next.metadata;
      const labels = (await readObject(storages, Namespace, '', namespace))?.metadata.labels;
      if (labels?.[adminAccessLabel] !== 'true') problems.forbidden(new FieldPath('[]'), adminAccessMessage);
      return () => {};
    },
  };
}
