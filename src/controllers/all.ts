import { horizontalPodAutoscalerController } from './autoscaling/index.ts';
import { clusterControllers } from './cluster-controllers.ts';
import { cronJobController } from './cronjob/index.ts';
import { daemonSetController } from './daemonset/index.ts';
import { deploymentController } from './deployment/index.ts';
import type { Controller } from './framework/index.ts';
import { jobController } from './job/index.ts';
import { replicaSetController } from './replicaset.ts';
import { replicationController } from './replication-controller.ts';
import { statefulSetController } from './statefulset/index.ts';
import { ttlAfterFinishedController } from './ttl-after-finished.ts';

/** Every controller there is; a new one is a file and a line here. */
export const allControllers: readonly Controller[] = [
  ...clusterControllers,
  cronJobController,
  daemonSetController,
  deploymentController,
  horizontalPodAutoscalerController,
  jobController,
  replicaSetController,
  replicationController,
  statefulSetController,
  ttlAfterFinishedController,
];

/** Controllers that `*` does not switch on. */
export const offByDefault: ReadonlySet<string> = new Set(['bootstrap-signer-controller', 'token-cleaner-controller']);
