/** Endpoints of built-in resources that the generic registry does not know. */
import type { Clock } from '../../time/index.ts';
import type { SubresourceHandler } from '../registry/resource-handler.ts';
import type { Storages } from '../storages.ts';
import { bindingHandlers } from './binding.ts';
import { componentStatusHandler } from './component-status.ts';
import { evictionHandler } from './eviction.ts';

export { bindings } from './binding.ts';

export interface RestDependencies {
  storageOf: Storages;
  clock: Clock;
  /** Rejects where the store does not answer. */
  checkStore(): Promise<void>;
}

export function coreHandlers(dependencies: RestDependencies): SubresourceHandler[] {
  return [...bindingHandlers(dependencies), evictionHandler(dependencies), componentStatusHandler(dependencies)];
}
