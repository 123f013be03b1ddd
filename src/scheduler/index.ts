/**
 * The scheduler gives pods nodes. `runScheduler` is all that a cluster needs; the rest is for those who write plugins.
 */
export { type KubeSchedulerConfiguration, readConfiguration } from './configuration/read.ts';
export { type ClusterEvent, clusterEvent, type EventRegistration, type QueueingHint } from './framework/cluster-event.ts';
export type { SchedulerConfig } from './framework/config.ts';
export { CycleState, type StateData } from './framework/cycle-state.ts';
export type { Handle, PluginFactory, Registry as PluginRegistry } from './framework/handle.ts';
export type { Plugin } from './framework/plugin.ts';
export { type Code, type Status, status } from './framework/status.ts';
export { registerPodResourceMetrics } from './pod-resource-metrics.ts';
export { runScheduler, type SchedulerOptions } from './run-scheduler.ts';
