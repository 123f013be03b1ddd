export { AdmissionCompiler } from './admissionregistration/admission-expressions.ts';
export { atomicPlaces, typeNameProblems } from './admissionregistration/apply-configurations.ts';
export { JsonPatchValue, jsonOf, mutationTypes, ObjectValue } from './admissionregistration/mutation-types.ts';
export { namespaceValue, requestValue, variablesValue } from './admissionregistration/request-types.ts';
export { customApiVersions, type PublishedKind, typeCheckPolicy } from './admissionregistration/type-checking.ts';
export { aggregateError, aggregateMessage } from './aggregate-error.ts';
export { type Converter, customKind } from './apiextensions/custom-kind.ts';
export { cleanupFinalizer, isConditionTrue, withCondition } from './apiextensions/custom-resource-definition.ts';
export { approvalCondition } from './apiextensions/definition-approval.ts';
export { nonStructuralCondition } from './apiextensions/definition-structure.ts';
export { conversionBundleProblem } from './apiextensions/definition-validation.ts';
export { resourceNode } from './apiextensions/schema-node.ts';
export { apiServiceName, localAvailability } from './apiregistration/api-service.ts';
export { withServers } from './apiserverinternal/common-version.ts';
export { templateGenerationAnnotation } from './apps/daemon-set.ts';
export { rollbackAnnotation } from './apps/deployment.ts';
export { compileTokenExpression, type TokenExpression } from './authentication/token-expressions.ts';
export { type AccessCondition, compileAccessCondition } from './authorization/access-conditions.ts';
export { isTimeZone, scheduleProblem } from './batch/cron-schedule.ts';
export { jobLabels } from './batch/job.ts';
export { decodeCbor } from './cbor/decode.ts';
export { encodeCbor } from './cbor/encode.ts';
export { type AskAuthorizer, type AuthorizerAnswer, type AuthorizerCheck, authorizerVariables } from './cel/authorizer-functions.ts';
export {
  type Budget,
  BudgetError,
  CelError,
  CompileError,
  CostError,
  celTypes,
  dynamicValue,
  type Expression,
} from './cel/index.ts';
export { type ReadSigningRequest, readSigningRequest } from './certificates/signing-requests.ts';
export { ConversionError, convertObject } from './convert/convert-object.ts';
export { type ConvertOptions, convertDocuments, detectFormat, type FileFormat, fileFormats } from './convert/documents.ts';
export { Binding } from './core/binding.ts';
export { csiDriverOf } from './core/csi-migration.ts';
export { featuresForScheduling, featuresForUpdate } from './core/declared-features.ts';
export { isLatestImage, parseImageTag } from './core/image-reference.ts';
export { kubernetesFinalizer, namespaceNameLabel } from './core/namespace.ts';
export { matchesRequiredNodeAffinity, selectorSelectsNode, termSelectsNode } from './core/node-selection.ts';
export { storageClassAnnotation } from './core/persistent-volume-claim.ts';
export { deletionCostAnnotation, mirrorPodAnnotation } from './core/pod-annotations.ts';
export { summarizePod } from './core/pod-columns.ts';
export { type NamedInPod, namesInPod } from './core/pod-references.ts';
export {
  type Amounts,
  aggregateContainerLimits,
  aggregateContainerRequests,
  computePodQos,
  isSidecar,
  podLimits,
  podRequests,
  toResourceList,
} from './core/pod-resources.ts';
export { defaultPodSpec, defaultPodTemplate, validatePodSpec, validatePodTemplate } from './core/pod-spec.ts';
export { isPodReady, isPodTerminal } from './core/pod-state.ts';
export { isExtendedResource, isHugePages, isNativeResource, isOvercommitAllowed } from './core/resource-names.ts';
export { serviceAccountNameAnnotation } from './core/secret.ts';
export * from './core/service-traits.ts';
export { validateClusterIps } from './core/service-validation.ts';
export { toleratesTaint, untoleratedTaint } from './core/taints.ts';
export { decodeValue, normalize, setKey } from './decode.ts';
export * from './decode-object.ts';
export * from './defaulting.ts';
export { validateDomainPrefixedPath } from './domain-prefixed-path.ts';
export * from './equality.ts';
export * from './field-selectors.ts';
export { type FieldError, FieldErrors, type FieldErrorType, FieldPath, fieldErrorMessage, goQuote } from './fields.ts';
export { mandatoryConfiguration, suggestedConfiguration } from './flowcontrol/bootstrap-configuration.ts';
export { dropDisabledFields } from './gated-fields.ts';
export * from './generated/index.ts';
export { parseUrl, UrlError } from './go-url.ts';
export { goValue } from './go-values.ts';
export * from './ip.ts';
export { isJsonObject, type JsonObject, sortedKeys } from './json-object.ts';
export * from './json-text.ts';
export {
  type Column,
  type CustomForm,
  type CustomVersion,
  defineKind,
  type KindDefinition,
  type ScalePaths,
  type ServedVersion,
  type StrategyContext,
  type SubresourceStrategy,
} from './kind.ts';
export { kinds } from './kinds.ts';
export { integer, parseExactly } from './long-integers.ts';
export {
  difference,
  emptySet,
  type FieldFilter,
  type FieldSet,
  intersection,
  isEmptySet,
  isFieldSet,
  paths,
  recursiveDifference,
  union,
} from './managed-fields/field-set.ts';
export { lastAppliedAnnotation } from './managed-fields/last-applied.ts';
export { managedFieldsProblem, unlessOnlyTimes } from './managed-fields/managers.ts';
export {
  type ApplyOperation,
  applyConfiguration,
  applySteps,
  applyUpdate,
  checkTyped,
  type UpdateOperation,
  updateSteps,
} from './managed-fields/server-side-apply.ts';
export { typedProblems } from './managed-fields/typed-problems.ts';
export { merge as mergeTyped } from './managed-fields/typed-value.ts';
export { type InVersion, inOneVersion, inVersions, type Versions } from './managed-fields/versions.ts';
export * from './names.ts';
export { nestingOf } from './nesting.ts';
export { ingressClassAnnotation } from './networking/ingress-validation.ts';
export { endlessNumber } from './number-literals.ts';
export * from './object-meta.ts';
export * from './openapi/documents.ts';
export { mergeOpenApiV2, type RemoteDocument } from './openapi/merge.ts';
export type { OpenApiResource, OpenApiSubresource } from './openapi/paths.ts';
export { encodeOpenApiV2 } from './openapi/protobuf.ts';
export { encodeOpenApiV3 } from './openapi/protobuf-v3.ts';
export * from './patch/json-patch.ts';
export * from './patch/merge-patch.ts';
export * from './patch/strategic-merge-patch.ts';
export * from './printing.ts';
export * from './protobuf/decode.ts';
export { encodeProtobuf } from './protobuf/encode.ts';
export * from './quantity.ts';
export * from './quota-usage.ts';
export { compileRegularExpression } from './regular-expression.ts';
export {
  apiVersionOf,
  type Draft,
  groupResourceOf,
  type KubeList,
  type KubeObject,
  parseApiVersion,
  type Resource,
  type Unstructured,
} from './resource.ts';
export { highestUserDefinablePriority, systemPriorityClasses } from './scheduling/priority-class.ts';
export * from './schema/node.ts';
export * from './schema/optional-structs.ts';
export * from './schema/table.ts';
export * from './selectors.ts';
export { compareSemver, parseSemver, type Semver } from './semver.ts';
export { convertedVersion, deprecationWarning, isRemoved, removedRelease, sameShape } from './served-version.ts';
export { defaultServing, parseGoBool, parseRuntimeConfig, RuntimeConfigError, resourcesOf, type Serving, servedKinds } from './serving.ts';
export { parseShardSelector, type ShardSelector, ShardSelectorError } from './sharding.ts';
export { errors, hasReason, StatusError } from './status-error.ts';
export { isDefaultStorageClass } from './storage/storage-class.ts';
export { strictErrors } from './strict-errors.ts';
export * from './time-format.ts';
export { compareVersions } from './version-order.ts';
export { yamlOutput } from './yaml-output.ts';
export { yamlOptions } from './yaml-scalars.ts';
