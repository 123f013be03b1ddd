/**
 * --feature-gates as upstream's components read it. The gates are those of API v1.36 (the reference list of upstream's
 * compatibility tests). What a gate that is on by default stands for is always there; of the others `CBORServingAndStorage` changes
 * what k8ts does.
 */
import { parseGoBool } from '../api/index.ts';
import { ClusterError } from './cluster-error.ts';

const words = (text: string) => text.trim().split(/\s+/);

/** On, and not to be turned off. */
const locked = words(`
APIServerTracing AggregatedDiscoveryRemoveBetaType AllowOverwriteTerminationGracePeriodSeconds AnonymousAuthConfigurableEndpoints
AnyVolumeDataSource AuthorizeNodeWithSelectors AuthorizeWithSelectors BtreeWatchCache CPUManagerPolicyOptions CRDValidationRatcheting
CSIServiceAccountTokenSecrets ConsistentListFromCache CustomResourceFieldSelectors DisableAllocatorDualWrite DynamicResourceAllocation
ExecProbeTimeout HonorPVReclaimPolicy ImageMaximumGCAge InPlacePodVerticalScaling JobBackoffLimitPerIndex JobManagedBy
JobPodReplacementPolicy JobSuccessPolicy KubeletCgroupDriverFromCRI KubeletFineGrainedAuthz KubeletTracing LogarithmicScaleDown
MatchLabelKeysInPodAffinity MultiCIDRServiceAllocator NFTablesProxyMode NodeInclusionPolicyInPodTopologySpread NodeSwap
OrderedNamespaceDeletion PodLifecycleSleepAction PodLifecycleSleepActionAllowZero PodObservedGenerationTracking PodSchedulingReadiness
PreferSameTrafficDistribution RecoverVolumeExpansionFailure RecursiveReadOnlyMounts RelaxedDNSSearchValidation
RelaxedEnvironmentVariableValidation ResilientWatchCacheInitialization RetryGenerateName SchedulerQueueingHints
SeparateTaintEvictionController ServiceAccountTokenJTI ServiceAccountTokenNodeBinding ServiceAccountTokenNodeBindingValidation
ServiceAccountTokenPodNodeInfo SidecarContainers StreamingCollectionEncodingToJSON StreamingCollectionEncodingToProtobuf
StructuredAuthenticationConfiguration SupplementalGroupsPolicy SystemdWatchdog TopologyManagerPolicyOptions VolumeAttributesClass WinDSR
WinOverlay`);

/** On by default. */
const on = words(`
APIResponseCompression APIServerIdentity AllowDNSOnlyNodeCSR AllowInsecureKubeletCertificateSigningRequests
AllowParsingUserUIDFromCertAuth AtomicFIFO AuthorizePodWebsocketUpgradeCreatePermission CPUManagerPolicyBetaOptions
ChangeContainerStatusOnKubeletRestart ClearingNominatedNodeNameAfterBinding ContainerCheckpoint ContainerRestartRules DRAAdminAccess
DRAPrioritizedList DRAResourceClaimDeviceStatus DRASchedulerFilterTimeout DeclarativeValidation
DeploymentReplicaSetTerminatingReplicas DetectCacheInconsistency DisableCPUQuotaWithExclusiveCPUs DisableNodeKubeProxyVersion EnvFiles
ExternalServiceAccountTokenSigner GitRepoVolumeDriver GracefulNodeShutdown GracefulNodeShutdownBasedOnPodPriority
HPAConfigurableTolerance HostnameOverride ImageVolume InOrderInformers InOrderInformersBatchProcess InformerResourceVersion KMSv1
KubeletCrashLoopBackOffMax KubeletEnsureSecretPulledImages KubeletPSI KubeletPodResourcesDynamicResources KubeletPodResourcesGet
KubeletPodResourcesListUseActivePods KubeletRegistrationGetOnExistsOnly KubeletSeparateDiskGC
KubeletServiceAccountTokenForCredentialProviders ListFromCacheSnapshot MatchLabelKeysInPodTopologySpread
MatchLabelKeysInPodTopologySpreadSelectorMerge MaxUnavailableStatefulSet MutableCSINodeAllocatableCount MutatingAdmissionPolicy
NominatedNodeNameForExpectation OpenAPIEnums OpportunisticBatching PodDeletionCost PodLevelResources PodReadyToStartContainersCondition
PodTopologyLabelsAdmission PortForwardWebsockets PreventStaticPodAPIReferences ProcMountType RelaxedServiceNameValidation
ReloadKubeletServerCertificateFile RemoteRequestHeaderUID ResourceHealthStatus ResourceHealthStatusMessage
RotateKubeletServerCertificate SELinuxChangePolicy SELinuxMountReadWriteOncePod SchedulerAsyncPreemption SchedulerPopFromBackoffQ
SeparateCacheWatchRPC ServiceAccountNodeAudienceRestriction SizeBasedListCostEstimate StatefulSetSemanticRevisionComparison
StorageNamespaceIndex StorageVersionHash StructuredAuthenticationConfigurationEgressSelector
StructuredAuthenticationConfigurationJWKSMetrics TokenRequestServiceAccountUIDValidation TopologyManagerPolicyBetaOptions
TranslateStreamCloseWebsocketRequests UnauthenticatedHTTP2DOSMitigation UnlockWhileProcessingFIFO UserNamespacesSupport
WatchCacheInitializationPostStartHook WatchList WatchListClient WindowsGracefulNodeShutdown`);

/** Off by default. */
const off = words(`
APIServingWithRoutine AllowUnsafeMalformedObjectDeletion CBORServingAndStorage CPUManagerPolicyAlphaOptions
CRDObservedGenerationTracking CSIVolumeHealth ClientsAllowCBOR ClientsPreferCBOR CloudControllerManagerWatchBasedRoutesReconciliation
CloudControllerManagerWebhook ClusterTrustBundle ClusterTrustBundleProjection ComponentFlagz ComponentStatusz
ConcurrentWatchObjectDecode ConstrainedImpersonation ContainerStopSignals CoordinatedLeaderElection CrossNamespaceVolumeDataSource
CustomCPUCFSQuotaPeriod DRAConsumableCapacity DRADeviceBindingConditions DRADeviceTaintRules DRADeviceTaints DRAExtendedResource
DRAListTypeAttributes DRAPartitionableDevices DeclarativeValidationTakeover EventedPLEG GangScheduling GenericWorkload HPAScaleToZero
ImageVolumeWithDigest InPlacePodLevelResourcesVerticalScaling InPlacePodVerticalScalingAllocatedStatus
InPlacePodVerticalScalingExclusiveCPUs InPlacePodVerticalScalingExclusiveMemory KubeletInUserNamespace
LocalStorageCapacityIsolationFSQuotaMonitoring MemoryQoS MutablePVNodeAffinity MutablePodResourcesForSuspendedJobs
MutableSchedulingDirectivesForSuspendedJobs NodeDeclaredFeatures NodeLogQuery PodAndContainerStatsFromCRI PodCertificateRequest
PodLogsQuerySplitStreams QOSReserved ReduceDefaultCrashLoopBackOffDecay RestartAllContainersOnContainerExits RuntimeClassInImageCriApi
SELinuxMount SchedulerAsyncAPICalls StorageCapacityScoring StorageVersionAPI StorageVersionMigrator StrictIPCIDRValidation
TaintTolerationComparisonOperators TopologyAwareWorkloadScheduling TopologyManagerPolicyAlphaOptions
UnknownVersionInteroperabilityProxy UserNamespacesHostNetworkSupport VolumeLimitScaling WindowsCPUAndMemoryAffinity WindowsHostNetwork
WorkloadAwarePreemption`);

const defaults = new Map<string, boolean>([
  ...[...locked, ...on].map((name) => [name, true] as const),
  ...off.map((name) => [name, false] as const),
  // Sets of gates; k8ts has no state of theirs to change.
  ['AllAlpha', false],
  ['AllBeta', false],
]);

export interface FeatureGates {
  isEnabled(name: string): boolean;
  /** All of them; the stage is empty for what is generally available. */
  all(): Iterable<{ name: string; stage: '' | 'BETA' | 'ALPHA'; enabled: boolean }>;
}

/**
 * Reads `Name=true,Other=false`.
 * @throws ClusterError in upstream's words for a gate that there is not, is locked, or has no boolean value
 */
export function parseFeatureGates(text = ''): FeatureGates {
  const given = new Map<string, boolean>();
  const invalid = (why: string) => new ClusterError(`invalid argument ${JSON.stringify(text)} for "--feature-gates" flag: ${why}`);
  for (const part of text.split(',').filter((part) => part.trim() !== '')) {
    const at = part.indexOf('=');
    const name = part.slice(0, at < 0 ? undefined : at).trim();
    if (at < 0) throw invalid(`missing bool value for ${name}`);
    const value = part.slice(at + 1).trim();
    const enabled = parseGoBool(value);
    if (enabled === undefined)
      throw invalid(`invalid value of ${name}=${value}, err: strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`);
    if (!defaults.has(name)) throw invalid(`unrecognized feature gate: ${name}`);
    if (locked.includes(name) && !enabled) throw invalid(`cannot set feature gate ${name} to ${enabled}, feature is locked to true`);
    given.set(name, enabled);
  }
  const isEnabled = (name: string) => given.get(name) ?? defaults.get(name) ?? false;
  return {
    isEnabled,
    *all() {
      for (const [stage, names] of [
        ['', locked],
        ['BETA', on],
        ['ALPHA', off],
      ] as const)
        for (const name of names) yield { name, stage, enabled: isEnabled(name) };
    },
  };
}
