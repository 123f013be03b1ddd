export { claim, controlledBy, indexByController, orphansIn } from './claim.ts';
export { conditionOf, withCondition, withoutCondition } from './conditions.ts';
export { type Controller, type ControllerContext, type ControllerParts, defineController } from './controller.ts';
export { createExpectations, type Expectations } from './expectations.ts';
export { type History, syncHistory, templateOf, trimHistory } from './history.ts';
export { matchesNodeAffinity, toleratesTaint, untoleratedTaint } from './node-matching.ts';
export { createPodControl, isNamespaceTerminating, messageOf, type PodControl, slowStart } from './pod-control.ts';
export * from './pods.ts';
export { templateHash } from './template-hash.ts';
