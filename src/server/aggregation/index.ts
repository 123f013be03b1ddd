export { type Aggregation, type ExpectedVersion, type RemoteVersion, serveAggregation } from './aggregation.ts';
export { type Priority, priorityOf } from './priorities.ts';
export type { ProxyIdentity } from './remote-server.ts';
