/** Registry credentials from a pod's pull secrets (`kubernetes.io/dockerconfigjson` and the older `dockercfg`). */

import type { Secret } from '../../api/index.ts';
import { isJsonObject } from '../../api/index.ts';
import type { cri } from '../../runtime/index.ts';
import { repositoryOf } from './image-name.ts';

interface Entry {
  username?: string;
  password?: string;
  auth?: string;
  identitytoken?: string;
  registrytoken?: string;
}

function entriesOf(secret: Secret): [string, Entry][] {
  const read = (key: string): unknown => {
    const data = secret.data?.[key];
    return data === undefined ? undefined : JSON.parse(Buffer.from(data, 'base64').toString('utf8'));
  };
  const whole = read('.dockerconfigjson');
  const auths = isJsonObject(whole) ? whole.auths : read('.dockercfg');
  return isJsonObject(auths) ? Object.entries(auths).filter((e): e is [string, Entry] => isJsonObject(e[1])) : [];
}

const dockerHub = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io']);

/** Whether a credential's key (`https://index.docker.io/v1/`, `*.example.com/team`) covers a repository. */
function covers(key: string, repository: string): boolean {
  const bare = key.replace(/^https?:\/\//, '').replace(/\/(v[12]\/?)?$/, '');
  const [host = '', ...path] = bare.split('/');
  const [registry = '', ...name] = repository.split('/');
  const pattern = new RegExp(
    `^${host
      .split('*')
      .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
      .join('[^.]*')}$`,
  );
  const sameHost = pattern.test(registry) || (dockerHub.has(host) && dockerHub.has(registry));
  return sameHost && path.every((part, i) => part === name[i]);
}

/** The credentials to try, those with the longest key first. Throws where a secret cannot be read. */
export function pullCredentials(image: string, secrets: readonly Secret[]): cri.AuthConfig[] {
  const repository = repositoryOf(image);
  return secrets
    .flatMap(entriesOf)
    .filter(([key]) => covers(key, repository))
    .sort(([a], [b]) => b.length - a.length)
    .map(([key, entry]) => {
      const [user, ...rest] = entry.auth ? Buffer.from(entry.auth, 'base64').toString('utf8').split(':') : [];
      return {
        username: entry.username ?? user ?? '',
        password: entry.password ?? rest.join(':').replace(/\0+$/, ''),
        serverAddress: key,
        identityToken: entry.identitytoken ?? '',
        registryToken: entry.registrytoken ?? '',
      };
    });
}
