/** An error whose message says all; the stack would only frighten. */
export class ClusterError extends Error {}
