import { describe, expect, it } from 'vitest';
import { parseFeatureGates } from './feature-gates.ts';

describe('--feature-gates', () => {
  it('has upstream’s defaults until told otherwise', () => {
    const gates = parseFeatureGates('CBORServingAndStorage=true, WatchList=false');
    expect(['CBORServingAndStorage', 'WatchList', 'SidecarContainers', 'MemoryQoS'].map(gates.isEnabled)).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });

  it('takes all of a stage at once, but what is said of one by name', () => {
    const alpha = parseFeatureGates('AllAlpha=true,MemoryQoS=false');
    expect(['HPAScaleToZero', 'MemoryQoS', 'NodeLogQuery', 'KMSv1'].map((name) => alpha.isEnabled(name))).toEqual([
      true,
      false,
      false,
      false,
    ]);
    const beta = parseFeatureGates('AllBeta=false,ImageVolume=1');
    expect(['WatchList', 'ImageVolume', 'SidecarContainers'].map((name) => beta.isEnabled(name))).toEqual([false, true, true]);
  });

  it('tells stages as the metric labels them', () => {
    const all = new Map([...parseFeatureGates().all()].map(({ name, stage, enabled }) => [name, `${stage} ${enabled}`]));
    expect(
      ['ComponentStatusz', 'NodeLogQuery', 'MemoryQoS', 'KMSv1', 'SidecarContainers', 'AllAlpha'].map((name) => all.get(name)),
    ).toEqual(['BETA true', 'BETA false', 'ALPHA false', 'DEPRECATED false', ' true', 'ALPHA false']);
  });

  it.each([
    ['Nonsense=true', 'invalid argument "Nonsense=true" for "--feature-gates" flag: unrecognized feature gate: Nonsense'],
    ['SidecarContainers=false', 'cannot set feature gate SidecarContainers to false, feature is locked to true'],
    [
      'AllowOverwriteTerminationGracePeriodSeconds=true',
      'cannot set feature gate AllowOverwriteTerminationGracePeriodSeconds to true, feature is locked to false',
    ],
    ['GangScheduling=true', 'GangScheduling is enabled, but depends on features that are disabled: [GenericWorkload]'],
    [
      'UserNamespacesSupport=false,NodeDeclaredFeatures=false',
      '[InPlacePodLevelResourcesVerticalScaling is enabled, but depends on features that are disabled: [NodeDeclaredFeatures], ProcMountType is enabled, but depends on features that are disabled: [UserNamespacesSupport], RestartAllContainersOnContainerExits is enabled, but depends on features that are disabled: [NodeDeclaredFeatures]]',
    ],
    ['WatchList', 'missing bool value for WatchList'],
    ['WatchList=maybe', 'invalid value of WatchList=maybe, err: strconv.ParseBool: parsing "maybe": invalid syntax'],
  ])('refuses %j', (text, message) => {
    expect(() => parseFeatureGates(text)).toThrow(message);
  });
});
