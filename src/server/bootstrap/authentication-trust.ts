/** How other API servers learn whom this one trusts (upstream's cluster authentication trust controller). */
import { ConfigMap, type Draft, deepEqual, hasReason } from '../../api/index.ts';
import type { Client } from '../../client/index.ts';

export interface AuthenticationTrust {
  /** PEM. */
  clientCa?: string;
  requestHeader?: {
    clientCa: string;
    allowedNames?: readonly string[];
    usernameHeaders?: readonly string[];
    uidHeaders?: readonly string[];
    groupHeaders?: readonly string[];
    extraHeaderPrefixes?: readonly string[];
  };
}

const name = 'extension-apiserver-authentication';
const namespace = 'kube-system';

function dataOf({ clientCa, requestHeader }: AuthenticationTrust): Record<string, string> {
  return {
    ...(clientCa === undefined ? {} : { 'client-ca-file': clientCa }),
    ...(requestHeader === undefined
      ? {}
      : {
          'requestheader-allowed-names': JSON.stringify(requestHeader.allowedNames ?? []),
          'requestheader-client-ca-file': requestHeader.clientCa,
          'requestheader-extra-headers-prefix': JSON.stringify(requestHeader.extraHeaderPrefixes ?? ['X-Remote-Extra-']),
          'requestheader-group-headers': JSON.stringify(requestHeader.groupHeaders ?? ['X-Remote-Group']),
          'requestheader-uid-headers': JSON.stringify(requestHeader.uidHeaders ?? ['X-Remote-Uid']),
          'requestheader-username-headers': JSON.stringify(requestHeader.usernameHeaders ?? ['X-Remote-User']),
        }),
  };
}

/** The ConfigMap kube-system/extension-apiserver-authentication, with what is in it already of other control planes kept. */
export async function ensureAuthenticationTrust(client: Client, trust: AuthenticationTrust, signal?: AbortSignal): Promise<void> {
  const wanted = dataOf(trust);
  for (;;) {
    try {
      const present = await client.get(ConfigMap, name, { namespace, signal }).catch((error: unknown) => {
        if (hasReason(error, 'NotFound')) return undefined;
        throw error;
      });
      if (present === undefined) {
        const made: Draft<ConfigMap> = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data: wanted };
        await client.create(ConfigMap, made, { namespace, signal });
        return;
      }
      const data = { ...present.data, ...wanted };
      for (const bundle of ['client-ca-file', 'requestheader-client-ca-file'])
        data[bundle] = [...new Set([...certificates(present.data?.[bundle]), ...certificates(wanted[bundle])])].join('');
      if (!deepEqual(data, present.data)) await client.update(ConfigMap, { ...present, data }, { namespace, signal });
      return;
    } catch (error) {
      // Another control plane was quicker.
      if (!hasReason(error, 'Conflict') && !hasReason(error, 'AlreadyExists')) throw error;
    }
  }
}

const certificates = (bundle = '') =>
  (bundle.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? []).map((pem) => `${pem}\n`);
