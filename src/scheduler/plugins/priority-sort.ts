import type { Plugin } from '../framework/plugin.ts';

/** The more important first, then the earlier. */
export const prioritySort = (): Plugin => ({
  name: 'PrioritySort',
  compare: (a, b) => b.info.priority - a.info.priority || a.timestampMs - b.timestampMs,
});
