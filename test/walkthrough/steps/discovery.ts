import { expect, it } from 'vitest';
import { k, tryK, walk, writeFile } from '../walk.ts';

export function discoverySteps(): void {
  it('lists resources with their short names, groups and verbs', async () => {
    const rows = (await k('api-resources --no-headers')).split('\n').map((line) => line.split(/\s+/));
    expect(rows).toContainEqual(['deployments', 'deploy', 'apps/v1', 'true', 'Deployment']);
    expect(rows).toContainEqual(['pods', 'po', 'v1', 'true', 'Pod']);
    expect(rows).toContainEqual(['nodes', 'no', 'v1', 'false', 'Node']);
    const verbs = await k('api-resources --api-group=batch -o wide --no-headers');
    expect(verbs).toMatch(/cronjobs\s+cj\s+batch\/v1\s+true\s+CronJob\s+create,delete,deletecollection,get,list,patch,update,watch\s+all/);
  });

  it('lists versions', async () => {
    const versions = (await k('api-versions')).trim().split('\n');
    expect(versions).toEqual(expect.arrayContaining(['v1', 'apps/v1', 'batch/v1', 'networking.k8s.io/v1', 'rbac.authorization.k8s.io/v1']));
  });

  it('explains kinds and fields', async () => {
    expect(await k('explain node')).toMatch(/KIND:\s+Node\nVERSION:\s+v1\n\nDESCRIPTION:\n\s+\S+/);
    const strategy = await k('explain deployment.spec.strategy --recursive');
    expect(strategy).toMatch(/FIELD: strategy <DeploymentStrategy>/);
    expect(strategy).toMatch(/rollingUpdate\s+<RollingUpdateDeployment>\n\s+maxSurge\s+<IntOrString>\n\s+maxUnavailable\s+<IntOrString>/);
    expect(strategy).toMatch(/enum: Recreate, RollingUpdate/);
    expect((await tryK('explain pod.spec.nothing')).stderr).toContain('field "nothing" does not exist');
  });

  it('tells its version and where it is', async () => {
    expect(await k('version')).toMatch(/Server Version: v1\.36/);
    const info = await k('cluster-info');
    expect(info).toMatch(/Kubernetes control plane.* is running at .*https:\/\/127\.0\.0\.1:\d+/);
    expect(info).toMatch(/CoreDNS.* is running at /);
    expect((await tryK('get nodes -v 8')).stderr).toMatch(/GET.*\/api\/v1\/nodes/);
    expect(await k('options')).toContain('--kubeconfig');
  });

  it('keeps contexts in the kubeconfig', async () => {
    const copy = { KUBECONFIG: writeFile('kubeconfig-copy', await k('config view --raw --flatten')) };
    const config = async (command: string) => {
      const result = await tryK(`config ${command}`, { env: copy });
      expect(result.stderr).toBe('');
      return result.stdout.trim();
    };
    const context = `k8ts-${walk.name}`;
    expect(await config('current-context')).toBe(context);
    await config('set-credentials dave --token=abc');
    await config(`set-context dave --cluster=${context} --user=dave --namespace=work`);
    expect(await config('use-context dave')).toBe('Switched to context "dave".');
    expect(await config('view --minify -o jsonpath={..namespace}')).toBe('work');
    expect((await tryK('get pods', { env: copy })).stderr).toContain('You must be logged in to the server');
  });
}
