import { bootstrapSignerController, tokenCleanerController } from './bootstrap/tokens.ts';
import { csrApprovingController } from './certificates/approving.ts';
import { csrCleanerController } from './certificates/cleaner.ts';
import { csrSigningController } from './certificates/signing.ts';
import { clusterRoleAggregationController } from './cluster-role-aggregation.ts';
import { disruptionController } from './disruption/index.ts';
import { endpointsController } from './endpoints/endpoint.ts';
import { endpointSliceController } from './endpoints/endpoint-slice.ts';
import { endpointSliceMirroringController } from './endpoints/mirroring.ts';
import type { Controller } from './framework/index.ts';
import { garbageCollector } from './garbage-collector/index.ts';
import { legacyTokenCleanerController } from './legacy-token-cleaner.ts';
import { namespaceController } from './namespace/index.ts';
import { nodeIpamController } from './node/ipam.ts';
import { nodeLifecycleController } from './node/lifecycle/index.ts';
import { taintEvictionController } from './node/taint-eviction.ts';
import { ttlController } from './node/ttl.ts';
import { podGarbageCollector } from './pod-garbage-collector.ts';
import { resourceClaimController } from './resource-claims.ts';
import { resourceQuotaController } from './resource-quota.ts';
import { rootCaCertPublisher } from './root-ca-cert-publisher.ts';
import { serviceAccountController } from './service-account.ts';
import { serviceAccountTokenController } from './service-account-tokens.ts';
import { serviceCidrController } from './service-cidr.ts';
import { attributesClassProtectionController } from './storage/attributes-class-protection.ts';
import { persistentVolumeBinder } from './storage/binder.ts';
import { ephemeralVolumeController } from './storage/ephemeral-volumes.ts';
import { claimProtectionController, volumeProtectionController } from './storage/protection.ts';
import { storageVersionGarbageCollector } from './storage-version-gc.ts';
import { storageVersionMigratorController } from './storage-version-migrator/index.ts';
import { validatingAdmissionPolicyStatusController } from './validating-admission-policy-status.ts';

/** The controllers that look after the cluster itself rather than after workloads. */
export const clusterControllers: readonly Controller[] = [
  bootstrapSignerController,
  csrApprovingController,
  csrCleanerController,
  csrSigningController,
  claimProtectionController,
  clusterRoleAggregationController,
  disruptionController,
  endpointsController,
  endpointSliceController,
  endpointSliceMirroringController,
  ephemeralVolumeController,
  garbageCollector,
  legacyTokenCleanerController,
  namespaceController,
  nodeIpamController,
  nodeLifecycleController,
  persistentVolumeBinder,
  podGarbageCollector,
  resourceClaimController,
  resourceQuotaController,
  rootCaCertPublisher,
  serviceAccountController,
  serviceAccountTokenController,
  serviceCidrController,
  storageVersionGarbageCollector,
  storageVersionMigratorController,
  taintEvictionController,
  tokenCleanerController,
  ttlController,
  validatingAdmissionPolicyStatusController,
  volumeProtectionController,
  attributesClassProtectionController,
];
