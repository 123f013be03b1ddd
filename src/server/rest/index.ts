/** Endpoints of built-in resources that the generic registry does not know. */
import type { Clock } from '../../time/index.ts';
import type { SubresourceHandler } from '../registry/resource-handler.ts';
import type { Storages } from '../storages.ts';
import { bindingHandlers } from './binding.ts';
import { type ComponentStatusDependencies, componentStatusHandler } from './component-status.ts';
import { evictionHandler } from './eviction.ts';
import { rollbackHandlers } from './rollback.ts';

export { bindings } from './binding.ts';

export interface RestDependencies extends ComponentStatusDependencies {
  storageOf: Storages;
  clock: Clock;
  /** Whether a feature gate is on; default: all are. */
  isEnabled?: ((gate: string) => boolean) | undefined;
}

export function coreHandlers(dependencies: RestDependencies): SubresourceHandler[] {
  return [
    ...bindingHandlers(dependencies),
    evictionHandler(dependencies),
    ...rollbackHandlers(dependencies),
    componentStatusHandler(dependencies),
  ];
}
