/** iproute2's `ip`, in this process's network namespace or in a named one. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { commandEnvironment } from '../command-environment.ts';
import { runWithInput } from '../run-with-input.ts';

const execute = promisify(execFile);

const inside = (namespace: string | undefined) => (namespace ? ['-n', namespace] : []);

/** Runs commands in order in one process; rejects at the first that fails, with what it says. */
export function ipBatch(commands: readonly string[], namespace?: string): Promise<void> {
  return runWithInput(['ip', ...inside(namespace), '-batch', '-'], `${commands.join('\n')}\n`);
}

/** What a command prints with `-json`. */
export async function ipJson(args: readonly string[], namespace?: string): Promise<unknown> {
  const { stdout } = await execute('ip', [...inside(namespace), '-json', ...args], { env: commandEnvironment });
  // Some versions print nothing rather than an empty list.
  return stdout.trim() === '' ? [] : JSON.parse(stdout);
}

/** Whether there is such an interface. /sys would not do: it shows the interfaces of the namespace that it was mounted in. */
export async function hasLink(name: string, namespace?: string): Promise<boolean> {
  return ipJson(['link', 'show', 'dev', name], namespace).then(
    () => true,
    () => false,
  );
}
