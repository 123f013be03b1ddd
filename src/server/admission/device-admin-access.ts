/** Who may use devices that others use too: claims of a namespace that says so. */
import { FieldPath, Namespace, type ResourceClaimTemplate, type resourceV1 } from '../../api/index.ts';
import type { WriteHook } from '../request.ts';
import { readObject, type Storages } from '../storages.ts';

const label = 'resource.kubernetes.io/admin-access';

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
      if (labels?.[label] !== 'true')
        problems.forbidden(
          new FieldPath('[]'),
          `admin access to devices requires the \`${label}: true\` label on the containing namespace`,
        );
      return () => {};
    },
  };
}
