import { expect, it } from 'vitest';
import { accept } from '../testing/accept.ts';

const metadata = { name: 'l', namespace: 'default' };
const wrong = (version: string, kind: string, spec: object) =>
  accept({ apiVersion: `coordination.k8s.io/${version}`, kind, ...{ metadata, spec } }).wrong;

it.each([
  ['OldestEmulationVersion', []],
  ['example.com/mine', []],
  ['Mine', ['spec.strategy.strategy: Unsupported value: "Mine": supported values: "OldestEmulationVersion"']],
  ['a/b/c', [expect.stringContaining('spec.strategy.strategy: Invalid value: "a/b/c": a valid label key must')]],
])('a lease is given by a strategy that is known, or somebody’s: %s', (strategy, messages) => {
  expect(wrong('v1', 'Lease', { strategy })).toEqual(messages);
});

const spec = { leaseName: 'x', binaryVersion: '1.36.0', emulationVersion: '1.35.0', strategy: 'OldestEmulationVersion' };
const missing = "spec.emulationVersion: Required value: must be specified when `strategy` is 'OldestEmulationVersion'";
const older = (version: string) => `spec.binaryVersion: Invalid value: "${version}": must be greater than or equal to \`emulationVersion\``;

it.each<[object, string[]]>([
  [{}, []],
  [{ emulationVersion: undefined }, [missing]],
  [{ emulationVersion: '1' }, ['spec.emulationVersion: Invalid value: "1": must be a valid semantic version', missing]],
  [{ emulationVersion: '1.37.0' }, [older('1.36.0')]],
  [{ binaryVersion: '1' }, ['spec.binaryVersion: Invalid value: "1": must be a valid semantic version', older('1')]],
  [{ emulationVersion: undefined, strategy: 'example.com/mine' }, []],
])('a candidate for the oldest version tells which it is: %j', (more, messages) => {
  expect(wrong('v1beta1', 'LeaseCandidate', { ...spec, ...more })).toEqual(messages);
});
