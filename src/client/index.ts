export { type BackoffOptions, createBackoff } from './backoff.ts';
export type * from './client.ts';
export { type ClientOptions, createClient, resourcePath } from './create-client.ts';
export { createDelegation, type Delegation, type DelegationOptions, type ReviewedUser } from './delegation.ts';
export {
  createEventBroadcaster,
  type EventBroadcaster,
  type EventBroadcasterOptions,
  type EventOptions,
  type EventRecorder,
  referenceTo,
} from './event-recorder.ts';
export { expiringCache } from './expiring-cache.ts';
export { type HttpsTransport, type HttpsTransportOptions, httpsTransport, type Pem } from './https-transport.ts';
export {
  abortable,
  createInformer,
  type Informer,
  type InformerContext,
  type InformerHandler,
  type InformerOptions,
} from './informer.ts';
export { createInformerFactory, type SharedInformerFactory } from './informer-factory.ts';
export { jsonLines } from './json-lines.ts';
export {
  connectionOf,
  credentialsOf,
  formatKubeconfig,
  type Kubeconfig,
  type KubeconfigCluster,
  type KubeconfigContext,
  type KubeconfigEntry,
  KubeconfigError,
  type KubeconfigUser,
  kubeconfigPaths,
  loadKubeconfig,
  loadKubeconfigs,
  mergeKubeconfig,
  removeFromKubeconfig,
} from './kubeconfig.ts';
export { type LeaderElectionOptions, LeadershipLostError, runLeaderElection } from './leader-election.ts';
export { type IndexFunction, keyOf, type Lister, ObjectCache, splitKey } from './object-cache.ts';
export { controllerOf, controllerRef, isControlledBy } from './owner-reference.ts';
export {
  bucketRateLimiter,
  controllerRateLimiter,
  createTokenBucket,
  exponentialRateLimiter,
  maxOfRateLimiter,
  type RateLimiter,
  type TokenBucket,
} from './rate-limiter.ts';
export { createReachability, type Reachability } from './reachability.ts';
export { measuredTransports, type RequestMetricsOptions } from './request-metrics.ts';
export { type ControllerOptions, createControllerQueue, type Reconcile, type ReconcileResult, runController } from './run-controller.ts';
export {
  certificateProblem,
  dialErrorMessage,
  limitDialing,
  requestUpgrade,
  responseHead,
  tunnel,
  type UpgradeRequest,
  type UpgradeResult,
  type UpgradeTls,
} from './upgrade/index.ts';
export { WorkQueue, type WorkQueueObserver, type WorkQueueOptions } from './work-queue.ts';
export { createWorkQueueMetrics, type WorkQueueMetrics } from './work-queue-metrics.ts';
