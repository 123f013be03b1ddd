import { describe, expect, it } from 'vitest';
import { kinds } from './kinds.ts';
import { apiVersionOf } from './resource.ts';
import { parseRuntimeConfig, resourcesOf, servedKinds } from './serving.ts';

const served = (config: string) =>
  new Set(
    servedKinds(kinds, parseRuntimeConfig(config, kinds)).flatMap((kind) =>
      resourcesOf(kind)
        .slice(kind.storedOnly ? 1 : 0)
        .map((r) => `${apiVersionOf(r)}/${r.plural}`),
    ),
  );

describe('--runtime-config', () => {
  it.each([
    [
      '',
      ['apps/v1/deployments', 'extensions/v1beta1/deployments', 'coordination.k8s.io/v1beta1/leasecandidates'],
      ['coordination.k8s.io/v1alpha2/leasecandidates', 'internal.apiserver.k8s.io/v1alpha1/storageversions'],
    ],
    ['api/alpha=true', ['coordination.k8s.io/v1alpha2/leasecandidates', 'internal.apiserver.k8s.io/v1alpha1/storageversions'], []],
    ['api/beta=false', ['apps/v1/deployments'], ['coordination.k8s.io/v1beta1/leasecandidates', 'batch/v1beta1/cronjobs']],
    [
      'api/removed=false',
      ['apps/v1/deployments', 'coordination.k8s.io/v1beta1/leasecandidates'],
      ['extensions/v1beta1/deployments', 'apps/v1beta2/daemonsets', 'rbac.authorization.k8s.io/v1alpha1/roles'],
    ],
    ['api/all=false,api/ga=true', ['v1/pods'], ['batch/v1beta1/cronjobs']],
    ['api/all=false,v1=true,apps/v1/deployments=true', ['v1/pods', 'apps/v1/deployments'], ['apps/v1/daemonsets']],
    ['batch/v1=false', ['batch/v1beta1/cronjobs'], ['batch/v1/cronjobs', 'batch/v1/jobs']],
    ['apps/v1/deployments=false', ['apps/v1/daemonsets'], ['apps/v1/deployments']],
  ])('%j', (config, on, off) => {
    const all = served(config);
    expect(on.filter((name) => !all.has(name))).toEqual([]);
    expect(off.filter((name) => all.has(name))).toEqual([]);
  });

  it.each([
    ['apps/v1=maybe', 'invalid value of apps/v1: maybe, err: strconv.ParseBool: parsing "maybe": invalid syntax'],
    ['nonsense=true', 'runtime-config invalid key nonsense'],
    ['a.example/v1=true', 'unknown api groups a.example'],
  ])('refuses %j', (config, message) => {
    expect(() => parseRuntimeConfig(config, kinds)).toThrow(message);
  });
});
