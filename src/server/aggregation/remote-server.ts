/** Another API server behind an APIService's Service: how requests reach it, as whom. */
import type { OutgoingHttpHeaders } from 'node:http';
import type { APIService } from '../../api/index.ts';
import { toHeader } from '../http/header-text.ts';
import type { UserInfo } from '../request.ts';
import type { ServiceResolver } from '../service-resolver.ts';
import { type Backend, backend, hostPort } from '../streaming/kubelet-connection.ts';
import { serverIdentity } from '../webhook/server-identity.ts';

/** The certificate by which other API servers know this one, and believe its headers (--proxy-client-cert-file, -key-file), PEM. */
export interface ProxyIdentity {
  cert: string;
  key: string;
}

export interface RemoteServer extends Backend {
  /** `https://ADDRESS:PORT` of the Service. Rejects as the resolver does. */
  locate(): Promise<URL>;
}

const defaultPort = 443;

export const portOf = ({ spec }: APIService) => spec.service?.port ?? defaultPort;

/** `missingSan` is told of a certificate that names its server by a common name only. */
export function remoteServer(
  apiService: APIService,
  identity: ProxyIdentity | undefined,
  resolve: ServiceResolver,
  missingSan?: () => void,
): RemoteServer {
  const { service, caBundle, insecureSkipTLSVerify } = apiService.spec;
  const { namespace = '', name = '' } = service ?? {};
  const tls = { ...identity, servername: `${name}.${namespace}.svc` };
  const verified = insecureSkipTLSVerify
    ? { ...tls, rejectUnauthorized: false }
    : {
        ...tls,
        checkServerIdentity: serverIdentity(missingSan),
        ...(caBundle ? { ca: Buffer.from(caBundle, 'base64').toString('utf8') } : {}),
      };
  return {
    ...backend(verified),
    async locate() {
      const { host, port } = await resolve({ namespace, name, port: portOf(apiService) });
      return new URL(`https://${hostPort(host, port)}`);
    },
  };
}

/** What may not stand in a header's name (RFC 9110), and what escapes it, is percent-encoded, as client-go does. */
const escaped = (key: string) =>
  key.replace(/[^!#$&'*+\-.^_`|~0-9A-Za-z]/gu, (c) => Buffer.from(c, 'utf8').toString('hex').toUpperCase().replace(/../g, '%$&'));

/** Who asks, as the front-proxy headers say it (KEP-1205's authenticating proxy). */
export function userHeaders({ name, uid, groups, extra = {} }: UserInfo): OutgoingHttpHeaders {
  return {
    'X-Remote-User': toHeader(name),
    ...(uid ? { 'X-Remote-Uid': toHeader(uid) } : {}),
    ...(groups.length > 0 ? { 'X-Remote-Group': groups.map(toHeader) } : {}),
    ...Object.fromEntries(Object.entries(extra).map(([key, values]) => [`X-Remote-Extra-${escaped(key)}`, values.map(toHeader)])),
  };
}
