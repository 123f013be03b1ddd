import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { controlPlaneV8Flags, stackFlags } from './v8-flags.ts';

const module = new URL('./v8-restart.ts', import.meta.url).href;
const script = `
  const { restartWithV8Flags } = await import(${JSON.stringify(module)});
  restartWithV8Flags(${JSON.stringify(controlPlaneV8Flags)});
  const { pid, argv, execArgv, env } = process;
  console.log(JSON.stringify({ pid, args: argv.slice(1), execArgv, mark: env.MARK, arenas: env.MALLOC_ARENA_MAX, collects: typeof globalThis.gc }));
`;

async function run(given: readonly string[], stdio: ('ignore' | 'pipe' | 'ipc')[] = ['ignore', 'pipe', 'pipe']) {
  const child = spawn(process.execPath, [...given, '--input-type=module', '--eval', script, 'a', '--b'], {
    stdio,
    env: { ...process.env, NODE_OPTIONS: '', MARK: 'kept' },
  });
  const [output, errors] = await Promise.all([child.stdout && text(child.stdout), child.stderr && text(child.stderr)]);
  return { pid: child.pid, errors, said: JSON.parse(output ?? '') };
}

test('a process goes on as itself, with the flags, and what it was given by hand', async () => {
  const { pid, said, errors } = await run(['--max-semi-space-size=64']);
  expect(said).toMatchObject({ pid, args: ['a', '--b'], mark: 'kept', arenas: '2', collects: 'function' });
  const flags = [...stackFlags(), ...controlPlaneV8Flags, '--max-semi-space-size=64'];
  expect(said.execArgv.slice(0, flags.length)).toEqual(flags);
  expect(errors).not.toContain('ExperimentalWarning: process.execve');
});

test('one that its parent talks to stays as it is', async () => {
  const { said } = await run([], ['ignore', 'pipe', 'pipe', 'ipc']);
  expect(said.collects).toBe('undefined');
});
