import { spawn } from 'node:child_process';
import { commandEnvironment } from './command-environment.ts';

/** Runs a program that reads its commands from standard input; rejects with what it complained of. */
export function runWithInput([program = '', ...args]: readonly string[], input: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env: commandEnvironment, stdio: ['pipe', 'ignore', 'pipe'] });
    let complaint = '';
    child.stderr.on('data', (chunk: Buffer) => {
      complaint += chunk.toString();
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`${program} failed (${signal ?? `exit code ${code}`}): ${complaint.trim()}`));
    });
    // It may end before it has read everything; why, it says itself.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}
