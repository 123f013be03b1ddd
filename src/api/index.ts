export { type FieldError, FieldErrors, type FieldErrorType, FieldPath, fieldErrorMessage } from './fields.ts';
export * from './generated/index.ts';
export {
  type Column,
  defineKind,
  type KindDefinition,
  type ScalePaths,
  type ServedVersion,
  type StrategyContext,
  type SubresourceStrategy,
} from './kind.ts';
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
export { errors, hasReason, StatusError } from './status-error.ts';
