/** A process that somebody has started by hand gets the V8 flags that `k8ts up` would have given it. */
import { memoryEnvironment, stackFlags } from './v8-flags.ts';

/**
 * Begins the process anew with these flags, where it does not have them: V8 heeds the size of its heap's parts and of the stack at its
 * start only. It stays the same process (execve), its arguments, environment and standard streams too; this takes some 50 ms once. What
 * was given by hand comes last and so wins. Where Node can't (before 22.15, on Windows), or a parent listens on a channel that would be
 * lost, all stays as it is.
 */
export function restartWithV8Flags(flags: readonly string[]): void {
  const wanted = [...stackFlags(), ...flags];
  const { argv, execArgv, execPath } = process;
  if (wanted.every((flag) => execArgv.includes(flag)) || process.connected || typeof process.execve !== 'function') return;
  process.execve(execPath, [execPath, ...wanted, ...execArgv, ...argv.slice(1)], memoryEnvironment());
}
