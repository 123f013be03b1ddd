/** A container's last words: the file it wrote, or with FallbackToLogsOnError the tail of its log. */
import { readFileSync } from 'node:fs';
import type { ObservedContainer } from '../pod/observed-pod.ts';
import { terminationMessagePathAnnotation, terminationMessagePolicyAnnotation } from './labels.ts';

const maxMessage = 4096;
const maxLogMessage = 2048;
const maxLogLines = 80;

function read(path: string | undefined): string {
  if (!path) return '';
  try {
    return readFileSync(path, 'utf8');
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

const finals = new Map<string, string>();

/** What the file says does not change once the container has ended; it is read once. */
export function terminationMessage(container: ObservedContainer): string {
  const known = finals.get(container.id);
  if (known !== undefined) return known;
  const annotations = container.status.annotations ?? {};
  const path = annotations[terminationMessagePathAnnotation];
  const mount = container.status.mounts?.find((m) => m.containerPath === path);
  let message = mount ? read(mount.hostPath).slice(0, maxMessage) : '';
  if (message === '' && container.exitCode !== 0 && annotations[terminationMessagePolicyAnnotation] === 'FallbackToLogsOnError') {
    message = logText(read(container.status.logPath)).slice(-maxLogMessage);
  }
  if (finals.size > 2048) finals.clear();
  finals.set(container.id, message);
  return message;
}
