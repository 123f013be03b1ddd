export { keyInHand, signedByItsKey } from './certificate-keys.ts';
export { certificateRequester } from './certificate-requester.ts';
export type { AdmissionContext } from './context.ts';
export { type AdmissionOptions, admissionOrder, defaultAdmission } from './default-admission.ts';
export { deviceAdminAccess } from './device-admin-access.ts';
export type { EventLimit } from './event-rate-limit.ts';
export { isLevel, isVersion, type PodSecurityOptions, podSecurityModes } from './pod-security-policy.ts';
export { parameterAccess } from './policy/parameter-access.ts';
export type { LimitedResource } from './resource-quota.ts';
