import { readFileSync } from 'node:fs';
import { type KubeSchedulerConfiguration, readConfiguration } from '../scheduler/index.ts';
import { ClusterError } from './cluster-error.ts';
import type { ComponentArgs } from './config.ts';

/** kube-scheduler's --config; undefined where it is not given. Throws in upstream's words for what is wrong with the file. */
export function schedulerConfiguration(args: ComponentArgs): KubeSchedulerConfiguration | undefined {
  const { config: file } = args;
  if (!file) return undefined;
  try {
    return readConfiguration(readFileSync(file, 'utf8'));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const { code } = error as NodeJS.ErrnoException;
    throw new ClusterError(code === 'ENOENT' ? `open ${file}: no such file or directory` : `${file}: ${why}`);
  }
}

/** The scheduler's flags with what its configuration says of leader election, where a flag does not say otherwise. */
export function withConfiguredElection(args: ComponentArgs, configuration: KubeSchedulerConfiguration | undefined): ComponentArgs {
  // k8s.io/component-base's type, of which only the names of its fields matter here.
  const election = configuration?.leaderElection as Readonly<Record<string, unknown>> | undefined;
  if (!election) return args;
  const configured = {
    'leader-elect': election.leaderElect,
    'leader-elect-lease-duration': election.leaseDuration,
    'leader-elect-renew-deadline': election.renewDeadline,
    'leader-elect-retry-period': election.retryPeriod,
    'leader-elect-resource-lock': election.resourceLock,
    'leader-elect-resource-name': election.resourceName,
    'leader-elect-resource-namespace': election.resourceNamespace,
  };
  const given = Object.entries(configured).filter(([, value]) => value !== undefined && value !== '' && value !== '0s');
  return { ...Object.fromEntries(given.map(([flag, value]) => [flag, String(value)])), ...args };
}

/** The file that the scheduler's configuration has it connect by. */
export function configuredKubeconfig(args: ComponentArgs): string | undefined {
  // k8s.io/component-base's type, as above.
  const connection = schedulerConfiguration(args)?.clientConnection as Readonly<Record<string, unknown>> | undefined;
  return typeof connection?.kubeconfig === 'string' ? connection.kubeconfig : undefined;
}
