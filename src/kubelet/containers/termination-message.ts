/** A container's last words: the file it wrote, or with FallbackToLogsOnError the tail of its log. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { Pod } from '../../api/index.ts';
import { allContainers } from '../pod/containers.ts';
import type { ObservedContainer } from '../pod/observed-pod.ts';
import { terminationMessagePathAnnotation, terminationMessagePolicyAnnotation } from './labels.ts';

const maxMessage = 4096;
/** All of a pod's messages together, shared evenly. */
const maxPodMessages = 12 * 1024;
const maxLogMessage = 2048;
const maxLogLines = 80;
/** Enough for `maxLogMessage` in lines of one byte each, with what the log says of each line. */
const maxLogBytes = 128 * 1024;

/** The file's last bytes. */
function tail(path: string | undefined, bytes: number): string {
  if (!path) return '';
  try {
    const file = openSync(path, 'r');
    try {
      const { size } = fstatSync(file);
      const buffer = Buffer.alloc(Math.min(size, bytes));
      return buffer.toString('utf8', 0, readSync(file, buffer, 0, buffer.length, size - buffer.length));
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    return `Error on reading termination message from ${path}: ${(error as Error).message}`;
  }
}

/** Lines of a CRI log without time, stream and tag. */
function logText(text: string): string {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .slice(-maxLogLines)
    .map((line) => {
      const [, , tag = '', ...rest] = line.split(' ');
      return rest.join(' ') + (tag === 'P' ? '' : '\n');
    })
    .join('');
}

/** How much of each container's message a pod's status has room for. */
export const messageShare = (pod: Pod): number => Math.floor(maxPodMessages / [...allContainers(pod)].length);

const finals = new Map<string, string>();

/** What the file says does not change once the container has ended; it is read once. */
export function terminationMessage(container: ObservedContainer): string {
  const known = finals.get(container.id);
  if (known !== undefined) return known;
  const annotations = container.status.annotations ?? {};
  const path = annotations[terminationMessagePathAnnotation];
  const mount = container.status.mounts?.find((m) => m.containerPath === path);
  let message = mount ? tail(mount.hostPath, maxMessage) : '';
  if (message === '' && container.exitCode !== 0 && annotations[terminationMessagePolicyAnnotation] === 'FallbackToLogsOnError') {
    message = logText(tail(container.status.logPath, maxLogBytes)).slice(-maxLogMessage);
  }
  if (finals.size > 2048) finals.clear();
  finals.set(container.id, message);
  return message;
}
