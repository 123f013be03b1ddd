export { ensureFlowConfiguration } from './flow-configuration.ts';
export { createFlowControl, type FlowControl, type FlowControlOptions } from './flow-control.ts';
export { type Admission, type RequestLimiter, tooManyRequestsMessage } from './limiter.ts';
