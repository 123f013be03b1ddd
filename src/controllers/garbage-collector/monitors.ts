import { groupResourceOf, type KubeObject, kinds, type Unstructured } from '../../api/index.ts';
import { createInformer, type Informer } from '../../client/index.ts';
import { type ControllerContext, type DiscoveredResource, discover, kindKey, withoutAliases } from '../framework/index.ts';

/** Informers of everything that can be deleted, custom resources among them as they come and go. */
export interface Monitors {
  resourceOf(apiVersion: string, kind: string): DiscoveredResource | undefined;
  /** Asks the server which resources there are, and watches those. */
  refresh(signal: AbortSignal): Promise<void>;
  whenSynced(): Promise<void>;
  /** Rejects when an informer fails for good. */
  readonly failed: Promise<never>;
}

/** As upstream's DefaultIgnoredResources: events own nothing and are too many. */
const ignored = new Set(['events', 'events.events.k8s.io']);
const needed = ['delete', 'list', 'watch'];
/** What a change of these changes what the server has. */
const definitions = new Set(['customresourcedefinitions.apiextensions.k8s.io', 'apiservices.apiregistration.k8s.io']);

export function createMonitors(
  context: ControllerContext,
  handlers: { put(object: KubeObject): void; remove(object: KubeObject): void; definitionsChanged(): void },
): Monitors {
  const { client, clock, random, logger, informers } = context;
  const builtIn = new Map(kinds.map(({ resource }) => [groupResourceOf(resource), resource]));
  const byKind = new Map<string, DiscoveredResource>();
  const running = new Map<string, { synced: Promise<void>; stop(): void }>();
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => undefined);

  const watch = (informer: Informer<Unstructured>, { group, version, kind }: DiscoveredResource, isDefinition: boolean): (() => void) => {
    const apiVersion = group ? `${group}/${version}` : version;
    // Items of a list may lack their kind.
    const whole = (object: Unstructured) => (object.kind ? object : { ...object, apiVersion, kind });
    const put = (object: Unstructured) => {
      handlers.put(whole(object));
      if (isDefinition) handlers.definitionsChanged();
    };
    return informer.addHandler({
      add: put,
      update: put,
      delete: (object) => {
        handlers.remove(whole(object));
        if (isDefinition) handlers.definitionsChanged();
      },
    });
  };

  const start = (name: string, resource: DiscoveredResource, signal: AbortSignal): void => {
    const isDefinition = definitions.has(name);
    if (builtIn.has(name)) {
      const informer = informers.for(resource);
      const stop = watch(informer, resource, isDefinition);
      running.set(name, { synced: informer.whenSynced(), stop });
      return;
    }
    // One of a custom resource must end with its definition: it is not shared.
    const informer = createInformer({ client, clock, random, logger }, resource);
    watch(informer, resource, isDefinition);
    const ending = new AbortController();
    informer.run(AbortSignal.any([signal, ending.signal])).catch(failure.reject);
    const stop = () => {
      ending.abort();
      for (const object of informer.lister.list()) handlers.remove(object);
    };
    running.set(name, { synced: informer.whenSynced(), stop });
  };

  return {
    failed: failure.promise,
    resourceOf: (apiVersion, kind) => byKind.get(kindKey(apiVersion, kind)),
    async refresh(signal) {
      const { resources, failures } = await discover(client, signal);
      if (failures.size > 0) logger?.warn({ failures: Object.fromEntries(failures) }, 'failed to discover some groups');
      const found = new Set<string>();
      for (const resource of resources)
        byKind.set(kindKey(resource.group ? `${resource.group}/${resource.version}` : resource.version, resource.kind), resource);
      for (const resource of withoutAliases(resources)) {
        const name = groupResourceOf(resource);
        if (ignored.has(name) || !needed.every((verb) => resource.verbs.includes(verb))) continue;
        found.add(name);
        if (!running.has(name)) start(name, resource, signal);
      }
      for (const [name, { stop }] of running) {
        // A group that did not answer may have it still.
        if (found.has(name) || failures.size > 0) continue;
        stop();
        running.delete(name);
        for (const [key, resource] of byKind) if (groupResourceOf(resource) === name) byKind.delete(key);
      }
    },
    whenSynced: async () => void (await Promise.all([...running.values()].map(({ synced }) => synced))),
  };
}
