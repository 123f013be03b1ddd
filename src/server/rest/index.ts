/** Endpoints of built-in resources that the generic registry does not know. */
import type { Clock } from '../../time/index.ts';
import type { SubresourceHandler } from '../registry/resource-handler.ts';
import type { Storages } from '../storages.ts';

export interface RestDependencies {
  storageOf: Storages;
  clock: Clock;
}

export function coreHandlers(_dependencies: RestDependencies): SubresourceHandler[] {
  return [];
}
