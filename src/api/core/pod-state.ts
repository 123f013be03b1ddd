/** How far a pod has come (upstream: pkg/api/v1/pod). */
import type { Pod } from '../generated/core.v1.ts';

/** Its containers have ended and will not be started again. */
export const isPodTerminal = ({ status }: Pod): boolean => status?.phase === 'Succeeded' || status?.phase === 'Failed';

/** It takes requests. */
export const isPodReady = ({ status }: Pod): boolean => status?.conditions?.find((c) => c.type === 'Ready')?.status === 'True';
