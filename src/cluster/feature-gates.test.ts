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

  it.each([
    ['Nonsense=true', 'invalid argument "Nonsense=true" for "--feature-gates" flag: unrecognized feature gate: Nonsense'],
    ['SidecarContainers=false', 'cannot set feature gate SidecarContainers to false, feature is locked to true'],
    ['WatchList', 'missing bool value for WatchList'],
    ['WatchList=maybe', 'invalid value of WatchList=maybe, err: strconv.ParseBool: parsing "maybe": invalid syntax'],
  ])('refuses %j', (text, message) => {
    expect(() => parseFeatureGates(text)).toThrow(message);
  });
});
