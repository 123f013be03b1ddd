import type { KubeObject, Resource } from '../../api/index.ts';
import type { Clock } from '../../time/index.ts';
import { follow, type Storages } from '../storages.ts';

/** kube-apiserver's DefaultEndpointReconcilerInterval: how often it looks at what it has made. */
const intervalMs = 10_000;

export interface KeepOptions {
  /** What is looked after. */
  objects: readonly { resource: Resource<KubeObject>; namespace?: string; name: string }[];
  /** Makes them what they are to be; does nothing where they are that. */
  work(): Promise<void>;
  storages: Storages;
  clock: Clock;
  signal: AbortSignal;
  onError(error: unknown): void;
}

/** Has the work done again when somebody has changed or removed one of its objects, at most once an interval. Returns when it looks. */
export async function keepAsMade({ objects, work, storages, clock, signal, onError }: KeepOptions): Promise<void> {
  let touched = Promise.withResolvers<void>();
  const touch = () => touched.resolve();
  signal.addEventListener('abort', touch, { once: true });
  for (const { resource, namespace = '', name } of objects)
    await follow(storages(resource), { reset: touch, set: touch, remove: touch }, { signal, onError, only: { namespace, name } });
  const keep = async () => {
    while (!signal.aborted) {
      await clock.sleep(intervalMs, signal).catch(() => undefined);
      await touched.promise;
      touched = Promise.withResolvers();
      if (signal.aborted) return;
      await work().catch((error: unknown) => {
        if (!signal.aborted) onError(error);
        touch();
      });
    }
  };
  void keep();
}
