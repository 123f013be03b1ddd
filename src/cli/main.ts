/** The `k8ts` executable: argument parsing only; each command's work is in the room it belongs to and loaded when it is called. */
import { Command } from 'commander';
import { componentCommand } from './component.ts';
import { downCommand } from './down.ts';
import { kubeconfigCommand } from './kubeconfig.ts';
import { loadCommand } from './load.ts';
import { logsCommand } from './logs.ts';
import { statusCommand } from './status.ts';
import { upCommand } from './up.ts';

const program = new Command('k8ts')
  .description('Kubernetes in TypeScript: a cluster in a second')
  .showHelpAfterError('(add --help for what can be said)')
  .addCommand(upCommand())
  .addCommand(downCommand())
  .addCommand(statusCommand())
  .addCommand(logsCommand())
  .addCommand(loadCommand())
  .addCommand(kubeconfigCommand())
  .addCommand(componentCommand(), { hidden: true });

try {
  await program.parseAsync();
} catch (error) {
  // Errors that are meant for the user say all in their message.
  const isOurs = error instanceof Error && ['ClusterError', 'KubeconfigError', 'StoreUnusableError'].includes(error.constructor.name);
  console.error(
    `error: ${isOurs || !(error instanceof Error) ? String(error instanceof Error ? error.message : error) : (error.stack ?? error.message)}`,
  );
  process.exitCode = 1;
}
