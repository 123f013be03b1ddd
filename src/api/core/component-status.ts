import { ComponentStatus } from '../generated/core.v1.ts';
import { defineKind } from '../kind.ts';
import { nameColumn } from '../printing.ts';

/** Made up on each read by asking the components; nothing is stored. Deprecated since v1.19. */
export const componentStatus = defineKind<ComponentStatus>({
  resource: ComponentStatus,
  shortNames: ['cs'],
  virtual: true,
  verbs: ['get', 'list'],
  columns: [
    nameColumn,
    ...(['Status', 'Message', 'Error'] as const).map((name) => ({
      name,
      description: `${name} of the component conditions`,
      value({ conditions = [] }: ComponentStatus): string {
        const healthy = conditions.find((condition) => condition.type === 'Healthy');
        if (name === 'Status') return healthy === undefined ? 'Unknown' : healthy.status === 'True' ? 'Healthy' : 'Unhealthy';
        return (name === 'Message' ? healthy?.message : healthy?.error) ?? '';
      },
    })),
  ],
});
