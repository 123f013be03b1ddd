export type { SchedulerConfig } from './framework/config.ts';
export { runScheduler, type SchedulerOptions } from './run-scheduler.ts';
