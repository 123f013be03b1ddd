export * from './decode.ts';
export * from './defaulting.ts';
export * from './equality.ts';
export * from './field-selectors.ts';
export { type FieldError, FieldErrors, type FieldErrorType, FieldPath, fieldErrorMessage } from './fields.ts';
export * from './generated/index.ts';
export * from './ip.ts';
export * from './json-text.ts';
export {
  type Column,
  defineKind,
  type KindDefinition,
  type ScalePaths,
  type ServedVersion,
  type StrategyContext,
  type SubresourceStrategy,
} from './kind.ts';
export * from './names.ts';
export * from './object-meta.ts';
export * from './patch/json-patch.ts';
export * from './patch/merge-patch.ts';
export * from './patch/strategic-merge-patch.ts';
export * from './quantity.ts';
export * from './quota-usage.ts';
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
export * from './schema/node.ts';
export * from './schema/table.ts';
export * from './selectors.ts';
export { errors, hasReason, StatusError } from './status-error.ts';
export * from './time-format.ts';
