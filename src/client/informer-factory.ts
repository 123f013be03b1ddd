import type { KubeObject, Resource } from '../api/index.ts';
import { abortable, createInformer, type Informer, type InformerContext, type InformerOptions } from './informer.ts';

/** One informer per resource and selection, shared by everybody who asks for it. */
export interface SharedInformerFactory {
  /** The shared informer; once the factory runs, a new one starts at once. */
  for<T extends KubeObject>(resource: Resource<T>, options?: InformerOptions): Informer<T>;
  /** Resolves when every informer asked for so far has its first list. */
  whenSynced(signal?: AbortSignal): Promise<void>;
  /** Runs all informers, present and future, until the signal is aborted. */
  run(signal: AbortSignal): Promise<void>;
}

export function createInformerFactory(
  context: InformerContext,
  defaults: Pick<InformerOptions, 'streamingList'> = {},
): SharedInformerFactory {
  const informers = new Map<string, { informer: Pick<Informer<KubeObject>, 'run' | 'whenSynced'> }>();
  let running: { signal: AbortSignal; failed: (error: unknown) => void; runs: Promise<void>[] } | undefined;

  const start = (informer: Pick<Informer<KubeObject>, 'run'>): void => {
    if (running) running.runs.push(informer.run(running.signal).catch(running.failed));
  };

  return {
    for<T extends KubeObject>(resource: Resource<T>, options: InformerOptions = {}) {
      const { namespace = '', labelSelector = '', fieldSelector = '' } = options;
      const key = [resource.group, resource.version, resource.plural, namespace, labelSelector, fieldSelector].join('|');
      const known = informers.get(key);
      // The key holds the resource's coordinates, which determine T.
      if (known) return known.informer as Informer<T>;
      const informer = createInformer(context, resource, { ...defaults, ...options });
      informers.set(key, { informer });
      start(informer);
      return informer;
    },

    async whenSynced(signal) {
      await abortable(Promise.all([...informers.values()].map(({ informer }) => informer.whenSynced())), signal);
    },

    async run(signal) {
      if (running) throw new Error('the informer factory runs already');
      const failure = Promise.withResolvers<never>();
      running = { signal, failed: failure.reject, runs: [] };
      for (const { informer } of informers.values()) start(informer);
      const stopped = Promise.withResolvers<void>();
      signal.addEventListener('abort', () => stopped.resolve(), { once: true });
      if (signal.aborted) stopped.resolve();
      await Promise.race([stopped.promise, failure.promise]);
      await Promise.all(running.runs);
    },
  };
}
