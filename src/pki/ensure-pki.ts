/**
 * A control plane's certificates in a directory, under kubeadm's file names. Makes what is missing, renews what has expired, is
 * about to, lacks a name, or was not signed by the present authority; leaves the rest alone, so that it is cheap to call at every start.
 */
import { X509Certificate } from 'node:crypto';
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CertificateOptions, createCertificateAuthority, issueCertificate, type KeyCertificate } from './certificate.ts';
import { generateKeyPair, type KeyPair, publicKeyPem } from './key.ts';

const dayMs = 24 * 3600 * 1000;
const caValidityDays = 3650;
const certificateValidityDays = 365;
/** Renewed this long before they end. */
const renewBeforeDays = 30;

export interface ClientIdentity {
  /** The file's name without `.crt`. */
  file: string;
  commonName: string;
  organizations?: readonly string[];
}

export interface ServerIdentity extends ClientIdentity {
  dnsNames?: readonly string[];
  ipAddresses?: readonly string[];
}

/** The identities of the components that talk to the API server, as kubeadm puts them into kubeconfigs. */
export const controlPlaneIdentities: readonly ClientIdentity[] = [
  { file: 'apiserver-kubelet-client', commonName: 'kube-apiserver-kubelet-client', organizations: ['system:masters'] },
  { file: 'admin', commonName: 'kubernetes-admin', organizations: ['system:masters'] },
  { file: 'controller-manager', commonName: 'system:kube-controller-manager' },
  { file: 'scheduler', commonName: 'system:kube-scheduler' },
  { file: 'proxy', commonName: 'system:kube-proxy' },
];

export interface PkiOptions {
  /** Milliseconds since the epoch. */
  now: number;
  /** Names that the API server is reached by, beside kubernetes, kubernetes.default, ... and localhost. */
  dnsNames?: readonly string[];
  /** Addresses that it is reached by (the service range's first among them), beside 127.0.0.1 and ::1. */
  ipAddresses?: readonly string[];
  /** Default cluster.local. */
  clusterDomain?: string;
  /** Client certificates for these nodes' kubelets: `kubelet-NAME.crt`. */
  nodes?: readonly string[];
  /** Serving certificates of other servers: kubelets. */
  servers?: readonly ServerIdentity[];
  /** More client certificates beside `controlPlaneIdentities`. */
  clients?: readonly ClientIdentity[];
}

export interface Pki {
  dir: string;
  ca: KeyCertificate;
  frontProxyCa: KeyCertificate;
  apiserver: KeyCertificate;
  frontProxyClient: KeyCertificate;
  serviceAccount: KeyPair;
  /** By ClientIdentity's file name; kubelets as `kubelet-NAME`. */
  clients: Record<string, KeyCertificate>;
  /** By ServerIdentity's file name. */
  servers: Record<string, KeyCertificate>;
  /** Names of what was made or renewed by this call. */
  renewed: string[];
}

export async function ensurePki(dir: string, options: PkiOptions): Promise<Pki> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const renewed: string[] = [];
  const files = certificateFiles(dir, options.now, renewed);
  const domain = options.clusterDomain ?? 'cluster.local';
  const serverNames = {
    dnsNames: [
      ...new Set([
        'kubernetes',
        'kubernetes.default',
        'kubernetes.default.svc',
        `kubernetes.default.svc.${domain}`,
        'localhost',
        ...(options.dnsNames ?? []),
      ]),
    ],
    ipAddresses: [...new Set(['127.0.0.1', '::1', ...(options.ipAddresses ?? [])])],
  };
  const [ca, frontProxyCa, serviceAccount] = await Promise.all([
    files.authority('ca', 'kubernetes'),
    files.authority('front-proxy-ca', 'front-proxy-ca'),
    ensureServiceAccountKey(dir, renewed),
  ]);
  const ensure = files.certificate;
  const identities = [
    ...controlPlaneIdentities,
    ...(options.nodes ?? []).map((name) => ({
      file: `kubelet-${name}`,
      commonName: `system:node:${name}`,
      organizations: ['system:nodes'],
    })),
    ...(options.clients ?? []),
  ];
  const servers = options.servers ?? [];
  const [apiserver, frontProxyClient, ...others] = await Promise.all([
    ensure(ca, 'apiserver', { commonName: 'kube-apiserver', usages: ['server'], ...serverNames }),
    ensure(frontProxyCa, 'front-proxy-client', { commonName: 'front-proxy-client', usages: ['client'] }),
    ...identities.map((identity) => ensure(ca, identity.file, { ...identity, usages: ['client'] })),
    ...servers.map((server) => ensure(ca, server.file, { ...server, usages: ['server'] })),
  ]);
  return {
    dir,
    ca,
    frontProxyCa,
    apiserver,
    frontProxyClient,
    serviceAccount,
    clients: Object.fromEntries(others.slice(0, identities.length).map((made, i) => [identities[i]?.file, made])),
    servers: Object.fromEntries(others.slice(identities.length).map((made, i) => [servers[i]?.file, made])),
    renewed,
  };
}

/** Certificates in a directory that are made where they are missing or out of date. */
export function certificateFiles(dir: string, now: number, renewed: string[] = []) {
  return {
    authority: (file: string, commonName: string) => ensureAuthority(dir, file, commonName, now, renewed),
    certificate: (authority: KeyCertificate, file: string, wanted: Omit<CertificateOptions, 'notBefore' | 'notAfter'>) =>
      ensureCertificate(dir, file, authority, { ...wanted, ...validity(now, certificateValidityDays) }, now, renewed),
  };
}

function validity(now: number, days: number): { notBefore: Date; notAfter: Date } {
  // An hour back, for clients whose clock is behind.
  return { notBefore: new Date(now - 3600 * 1000), notAfter: new Date(now + days * dayMs) };
}

async function ensureAuthority(dir: string, file: string, commonName: string, now: number, renewed: string[]): Promise<KeyCertificate> {
  const present = await readPair(dir, file);
  // An authority that has ended is made anew with its old key, so that what it signed can still be told.
  if (present !== undefined && isCurrent(new X509Certificate(present.certificate), now, 0)) return present;
  const made = await createCertificateAuthority({ commonName, ...validity(now, caValidityDays) }, present?.key);
  await writePair(dir, file, made);
  renewed.push(file);
  return made;
}

async function ensureCertificate(
  dir: string,
  file: string,
  authority: KeyCertificate,
  wanted: CertificateOptions,
  now: number,
  renewed: string[],
): Promise<KeyCertificate> {
  const present = await readPair(dir, file);
  if (present !== undefined && serves(new X509Certificate(present.certificate), new X509Certificate(authority.certificate), wanted, now))
    return present;
  const made = await issueCertificate(authority, wanted, present?.key);
  await writePair(dir, file, made);
  renewed.push(file);
  return made;
}

async function ensureServiceAccountKey(dir: string, renewed: string[]): Promise<KeyPair> {
  const privateKey = await read(join(dir, 'sa.key'));
  if (privateKey !== undefined) {
    const publicKey = (await read(join(dir, 'sa.pub'))) ?? publicKeyPem(privateKey);
    return { privateKey, publicKey };
  }
  const made = await generateKeyPair();
  await Promise.all([write(join(dir, 'sa.key'), made.privateKey, 0o600), write(join(dir, 'sa.pub'), made.publicKey, 0o600)]);
  renewed.push('sa');
  return made;
}

function isCurrent(certificate: X509Certificate, now: number, renewBeforeMs: number): boolean {
  return Date.parse(certificate.validFrom) <= now && now < Date.parse(certificate.validTo) - renewBeforeMs;
}

function serves(certificate: X509Certificate, authority: X509Certificate, wanted: CertificateOptions, now: number): boolean {
  return (
    isCurrent(certificate, now, renewBeforeDays * dayMs) &&
    certificate.verify(authority.publicKey) &&
    certificate.issuer === authority.subject &&
    (wanted.dnsNames ?? []).every((name) => certificate.checkHost(name) !== undefined) &&
    (wanted.ipAddresses ?? []).every((ip) => certificate.checkIP(ip) !== undefined)
  );
}

async function readPair(dir: string, file: string): Promise<KeyCertificate | undefined> {
  const [certificate, key] = await Promise.all([read(join(dir, `${file}.crt`)), read(join(dir, `${file}.key`))]);
  return certificate === undefined || key === undefined ? undefined : { certificate, key };
}

async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function writePair(dir: string, file: string, pair: KeyCertificate): Promise<void> {
  await write(join(dir, `${file}.key`), pair.key, 0o600);
  await write(join(dir, `${file}.crt`), pair.certificate, 0o644);
}

/** Replaces the file in one step: a crash leaves the old one or the new one. */
async function write(path: string, text: string, mode: number): Promise<void> {
  const next = `${path}.tmp`;
  await writeFile(next, text, { mode });
  await chmod(next, mode);
  await rename(next, path);
}
