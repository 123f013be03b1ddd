export type { Clock, Random, Timer } from './clock.ts';
export { microTimestamp, timestamp } from './clock.ts';
export { systemClock, systemRandom } from './system.ts';
export { seededRandom, VirtualClock } from './virtual.ts';
