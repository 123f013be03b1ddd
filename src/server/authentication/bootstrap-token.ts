import { timingSafeEqual } from 'node:crypto';
import { parseRfc3339, Secret } from '../../api/index.ts';
import type { Clock } from '../../time/index.ts';
import { readObject, type Storages } from '../storages.ts';
import type { TokenAuthenticator } from './token.ts';

const pattern = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;

const groupPattern = /^system:bootstrappers(?::[a-z0-9:-]{0,255}[a-z0-9])?$/;

/** Tokens of joining nodes: Secrets kube-system/bootstrap-token-ID of type bootstrap.kubernetes.io/token. */
export function bootstrapTokens(storages: Storages, clock: Clock): TokenAuthenticator {
  return {
    async authenticateToken(token) {
      const [, id, secretPart] = pattern.exec(token) ?? [];
      if (id === undefined || secretPart === undefined) return undefined;
      const secret = await readObject(storages, Secret, 'kube-system', `bootstrap-token-${id}`);
      if (secret === undefined || secret.metadata.deletionTimestamp !== undefined || secret.type !== 'bootstrap.kubernetes.io/token')
        return undefined;
      const data = (key: string) => Buffer.from(secret.data?.[key] ?? '', 'base64').toString('utf8');
      const expected = Buffer.from(data('token-secret'));
      const given = Buffer.from(secretPart);
      if (data('token-id') !== id || expected.length !== given.length || !timingSafeEqual(expected, given)) return undefined;
      const expiration = data('expiration');
      // A date that can't be read counts as passed, as upstream has it.
      const isPast = parseRfc3339(expiration) === undefined || Date.parse(expiration) <= clock.now();
      if (expiration !== '' && isPast) return undefined;
      if (data('usage-bootstrap-authentication') !== 'true') return undefined;
      const extra = data('auth-extra-groups');
      const groups = new Set(['system:bootstrappers', ...(extra === '' ? [] : extra.split(','))]);
      // Who names one group wrongly may have meant anybody.
      for (const group of groups) if (!groupPattern.test(group)) return undefined;
      return { user: { name: `system:bootstrap:${id}`, groups: [...groups].sort() } };
    },
  };
}
