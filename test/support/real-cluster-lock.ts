/** Clusters of real containers share this machine's netfilter chains: one at a time, over all test files and runs. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

const file = '/tmp/k8ts-test-containers.lock';

/** Resolves, with what gives the lock back, once nobody else holds it. A killed test's lock is freed with its process. */
export async function lockRealCluster(): Promise<() => Promise<void>> {
  const holder = spawn('flock', [file, 'sh', '-c', 'echo held; cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(holder, 'exit');
  await once(holder.stdout, 'data');
  return async () => {
    holder.stdin.end();
    await exited;
  };
}
