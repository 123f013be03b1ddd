/** The `k8ts` executable: argument parsing only; each command's work is in the room it belongs to and loaded when it is called. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { apiCommand } from './api.ts';
import { componentCommand } from './component.ts';
import { downCommand } from './down.ts';
import { encryptionCommand } from './encryption.ts';
import { kubeconfigCommand } from './kubeconfig.ts';
import { loadCommand } from './load.ts';
import { logsCommand } from './logs.ts';
import { statusCommand } from './status.ts';
import { storeCommand } from './store.ts';
import { upCommand } from './up.ts';

/** As it is installed: the bundle lies in `dist`, beside which the package says what it is. */
const { version }: { version: string } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

const program = new Command('k8ts')
  .description('Kubernetes in TypeScript: a cluster in a second')
  .version(version, '--version', 'say which version of k8ts this is')
  // What a component says to --version is its own affair.
  .enablePositionalOptions()
  .showHelpAfterError('(add --help for what can be said)')
  .addCommand(upCommand())
  .addCommand(downCommand())
  .addCommand(statusCommand())
  .addCommand(logsCommand())
  .addCommand(loadCommand())
  .addCommand(storeCommand())
  .addCommand(encryptionCommand())
  .addCommand(kubeconfigCommand())
  .addCommand(apiCommand())
  .addCommand(componentCommand(), { hidden: true });

try {
  await program.parseAsync();
} catch (error) {
  console.error(`error: ${describe(error)}`);
  process.exitCode = 1;
}

/** Errors that are meant for the user, and those of system calls (which name the file), say all in their message. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const saysAll =
    ['ClusterError', 'KubeconfigError', 'StoreUnusableError', 'ConvertFailure'].includes(error.constructor.name) || 'syscall' in error;
  return saysAll ? error.message : (error.stack ?? error.message);
}
