/** Makes a container's image present, as its pull policy says, with upstream's events, errors and back-off. */
import { formatGoMilliseconds, type Pod, type Secret } from '../../api/index.ts';
import { type cri, RuntimeError, rpcErrorText } from '../../runtime/index.ts';
import type { KubeletContext } from '../context.ts';
import type { AnyContainer } from '../pod/containers.ts';
import { uidOf } from '../pod/identity.ts';
import { backOff } from '../workers/restart-back-off.ts';
import { pullCredentials } from './credentials.ts';
import { completeImageName } from './image-name.ts';

/** `reason` is what the container waits with. `retryAtMs`: when it makes sense to try again. */
export class ImageError extends Error {
  readonly reason: string;
  readonly retryAtMs: number;
  constructor(reason: string, message: string, retryAtMs: number) {
    super(message);
    this.reason = reason;
    this.retryAtMs = retryAtMs;
  }
}

export interface ImagePuller {
  /** Answers the image. Throws ImageError. */
  ensure(pod: Pod, container: AnyContainer, signal: AbortSignal): Promise<cri.Image>;
  forget(uid: string): void;
}

interface Options extends Pick<KubeletContext, 'runtime' | 'clock' | 'events' | 'config' | 'logger' | 'hollow'> {
  secret(namespace: string, name: string): Promise<Secret | undefined>;
}

const initialBackOffMs = 10_000;
const maxBackOffMs = 300_000;

export function imagePuller({ runtime, clock, events, config, logger, hollow, secret }: Options): ImagePuller {
  const failures = backOff(clock, initialBackOffMs, maxBackOffMs);
  /** When and how the last pull failed. */
  const lastFailures = new Map<string, { atMs: number; message: string }>();
  const slots = semaphore(config.serializeImagePulls ? 1 : (config.maxParallelImagePulls ?? Number.POSITIVE_INFINITY));

  async function credentials(pod: Pod, image: string): Promise<cri.AuthConfig[]> {
    const references = pod.spec.imagePullSecrets ?? [];
    if (references.length === 0) return [];
    const found: Secret[] = [];
    const missing: string[] = [];
    for (const { name = '' } of references) {
      const object = await secret(pod.metadata.namespace ?? '', name);
      if (object) found.push(object);
      else missing.push(name);
    }
    if (missing.length > 0) {
      const message = `Unable to retrieve some image pull secrets (${missing.join(', ')}); attempting to pull the image may not succeed.`;
      events.pod(pod, 'Warning', 'FailedToRetrieveImagePullSecret', message);
    }
    return pullCredentials(image, found);
  }

  async function pull(pod: Pod, image: string, signal: AbortSignal): Promise<void> {
    const auths: (cri.AuthConfig | undefined)[] = await credentials(pod, image);
    if (auths.length === 0) auths.push(undefined);
    let failure: unknown;
    for (const auth of auths) {
      try {
        await runtime.pullImage({ image: { image, annotations: {} }, ...(auth ? { auth } : {}) }, { signal });
        return;
      } catch (error) {
        signal.throwIfAborted();
        failure = error;
      }
    }
    throw failure;
  }

  return {
    forget(uid) {
      failures.forget(`${uid}_`);
      for (const key of lastFailures.keys()) if (key.startsWith(`${uid}_`)) lastFailures.delete(key);
    },
    async ensure(pod, container, signal) {
      const wanted = container.image ?? '';
      const about = (type: 'Normal' | 'Warning', reason: string, message: string) => events.pod(pod, type, reason, message, container.name);
      let image: string;
      try {
        image = completeImageName(wanted);
      } catch (error) {
        const message = `Failed to apply default image tag ${JSON.stringify(wanted)}: ${(error as Error).message}`;
        about('Warning', 'InspectFailed', message);
        throw new ImageError('InvalidImageName', message, clock.now() + maxBackOffMs);
      }
      const policy = container.imagePullPolicy ?? (/:latest$/.test(image) ? 'Always' : 'IfNotPresent');
      const present = async () => (await runtime.imageStatus({ image: { image } }, { signal })).image;
      let found = await present();
      // Simulated nodes have every image that there is.
      if (!found?.id && policy === 'Never' && hollow) {
        await runtime.pullImage({ image: { image, annotations: {} } }, { signal }).catch(notFound);
        found = await present();
      }
      if (found?.id && policy !== 'Always') {
        about('Normal', 'Pulled', `Container image ${JSON.stringify(wanted)} already present on machine and can be accessed by the pod`);
        return found;
      }
      if (policy === 'Never') {
        const message = `Container image ${JSON.stringify(wanted)} is not present with pull policy of Never`;
        about('Warning', 'ErrImageNeverPull', message);
        throw new ImageError('ErrImageNeverPull', message, clock.now() + initialBackOffMs);
      }

      const key = `${uidOf(pod)}_${image}`;
      const last = lastFailures.get(key);
      const wait = last === undefined ? 0 : failures.remaining(key, last.atMs);
      if (last && wait > 0) {
        const message = `Back-off pulling image ${JSON.stringify(wanted)}`;
        about('Normal', 'BackOff', message);
        throw new ImageError('ImagePullBackOff', `${message}: ErrImagePull: ${last.message}`, clock.now() + wait);
      }
      about('Normal', 'Pulling', `Pulling image ${JSON.stringify(wanted)}`);
      const asked = clock.monotonic();
      try {
        const { pulledMs, image: pulled } = await slots(async () => {
          const began = clock.monotonic();
          await pull(pod, image, signal);
          return { pulledMs: clock.monotonic() - began, image: await present() };
        });
        if (!pulled) throw new RuntimeError('NOT_FOUND', `image ${JSON.stringify(image)} is not there after it was pulled`);
        failures.reset(key);
        lastFailures.delete(key);
        const total = formatGoMilliseconds(clock.monotonic() - asked);
        about(
          'Normal',
          'Pulled',
          `Successfully pulled image ${JSON.stringify(wanted)} in ${formatGoMilliseconds(pulledMs)} (${total} including waiting). Image size: ${pulled.size ?? 0} bytes.`,
        );
        return pulled;
      } catch (error) {
        signal.throwIfAborted();
        const cause = pullFailureText(error);
        logger.info({ image, err: error }, 'Failed to pull image');
        about('Warning', 'Failed', `Failed to pull image ${JSON.stringify(wanted)}: ${cause}`);
        failures.next(key, clock.now());
        lastFailures.set(key, { atMs: clock.now(), message: cause });
        throw new ImageError('ErrImagePull', cause, clock.now());
      }
    },
  };
}

/** Why an image could not be pulled; a code that says nothing is left out, as upstream. */
export function pullFailureText(error: unknown): string {
  return error instanceof RuntimeError && error.code === 'UNKNOWN' ? error.message : rpcErrorText(error);
}

function notFound(error: unknown): void {
  if (!(error instanceof RuntimeError && error.code === 'NOT_FOUND')) throw error;
}

/** Runs at most `slots` at a time, first come first served. */
function semaphore(slots: number): <T>(run: () => Promise<T>) => Promise<T> {
  let free = slots;
  const waiting: (() => void)[] = [];
  return async (run) => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await run();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free++;
    }
  };
}
