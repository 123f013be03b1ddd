import { expect, test } from 'vitest';
import { Deployment, Event, groupResourceOf, Pod } from '../api/index.ts';
import { readsAnew } from './watch-cache-flags.ts';

test.each<[Record<string, string>, string[]]>([
  [{}, ['events']],
  [{ 'watch-cache': 'false' }, ['pods', 'events', 'deployments.apps']],
  [{ 'watch-cache-sizes': 'pods#0,events#10,deployments.apps#7' }, ['pods']],
  [{ 'default-watch-cache-size': '0', 'watch-cache-sizes': 'pods#10' }, ['events', 'deployments.apps']],
])('of %j the resources without a watch cache are read anew', (args, expected) => {
  expect([Pod, Event, Deployment].filter(readsAnew(args)).map(groupResourceOf)).toEqual(expected);
});
