import { createHash } from 'node:crypto';

/** As metrics name configurations, issuers and servers: `sha256:` and the hash; '' of ''. */
export const hashOf = (text: string): string => (text === '' ? '' : `sha256:${createHash('sha256').update(text).digest('hex')}`);
