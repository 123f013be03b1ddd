/** Validation of an Ingress (upstream: pkg/apis/networking/validation). */
import { reject, rejectNew } from '../core/checks.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import type { HTTPIngressPath, Ingress, IngressBackend, IngressRule, IngressStatus, IngressTLS } from '../generated/networking.v1.ts';
import { isIp, parseLooseIp } from '../ip.ts';
import { isDns1123Label, isDns1123Subdomain, isPathSegmentName, isPortName, isPortNumber, isWildcardDns1123Subdomain } from '../names.ts';

const specPath = new FieldPath('spec');
export const ingressClassAnnotation = 'kubernetes.io/ingress.class';
const pathTypes = ['Exact', 'ImplementationSpecific', 'Prefix'];
const forbiddenSequences = ['//', '/./', '/../', '%2f', '%2F'];
const forbiddenSuffixes = ['/..', '/.'];

const isHost = (host: string) => (host.includes('*') ? isWildcardDns1123Subdomain(host) : isDns1123Subdomain(host));

function validateResourceBackend(resource: NonNullable<IngressBackend['resource']>, path: FieldPath, errors: FieldErrors): void {
  const { apiGroup, kind = '', name = '' } = resource;
  if (apiGroup !== undefined) reject(errors, path.child('apiGroup'), apiGroup, isDns1123Subdomain(apiGroup));
  for (const [field, value] of [
    ['kind', kind],
    ['name', name],
  ] as const)
    if (value === '') errors.required(path.child(field));
    else reject(errors, path.child(field), value, isPathSegmentName(value));
}

function validateBackend(backend: IngressBackend | undefined, path: FieldPath, errors: FieldErrors): void {
  const { service, resource } = backend ?? {};
  if (resource && service) {
    errors.invalid(path, '', 'cannot set both resource and service backends');
    return;
  }
  if (resource) {
    validateResourceBackend(resource, path.child('resource'), errors);
    return;
  }
  if (!service) {
    errors.invalid(path, '', 'resource or service backend is required');
    return;
  }
  const at = path.child('service');
  if (!service.name) errors.required(at.child('name'));
  else reject(errors, at.child('name'), service.name, isDns1123Label(service.name));
  const { name, number } = service.port ?? {};
  if (name && number) errors.invalid(path, '', 'cannot set both port name & port number');
  else if (name) reject(errors, at.child('port', 'name'), name, isPortName(name));
  else if (number) reject(errors, at.child('port', 'number'), number, isPortNumber(number));
  else errors.required(path, 'port name or number is required');
}

function validatePath({ path = '', pathType, backend }: HTTPIngressPath, at: FieldPath, errors: FieldErrors): void {
  const pathAt = at.child('path');
  if (pathType === undefined) {
    errors.required(at.child('pathType'), 'pathType must be specified');
    return;
  }
  if (pathType === 'Exact' || pathType === 'Prefix') {
    if (!path.startsWith('/')) errors.invalid(pathAt, path, 'must be an absolute path');
    for (const sequence of forbiddenSequences) if (path.includes(sequence)) errors.invalid(pathAt, path, `must not contain '${sequence}'`);
    for (const suffix of forbiddenSuffixes) if (path.endsWith(suffix)) errors.invalid(pathAt, path, `cannot end with '${suffix}'`);
  } else if (pathType === 'ImplementationSpecific') {
    if (path !== '' && !path.startsWith('/')) errors.invalid(pathAt, path, 'must be an absolute path');
  } else errors.notSupported(at.child('pathType'), pathType, pathTypes);
  validateBackend(backend, at.child('backend'), errors);
}

function validateRule({ host = '', http }: IngressRule, path: FieldPath, errors: FieldErrors): void {
  if (host !== '') {
    if (parseLooseIp(host)) errors.invalid(path.child('host'), host, 'must be a DNS name, not an IP address');
    reject(errors, path.child('host'), host, isHost(host));
  }
  if (!http) return;
  const at = path.child('http', 'paths');
  const check = () => {
    if (!http.paths?.length) errors.required(at);
    for (const [i, one] of (http.paths ?? []).entries()) validatePath(one, at.index(i), errors);
  };
  // The rules of wildcard hosts were not looked at once.
  if (host.includes('*')) errors.ratcheting(check, 'rules of wildcard hosts');
  else check();
}

function validateTls({ hosts = [], secretName }: IngressTLS, path: FieldPath, errors: FieldErrors): void {
  for (const [i, host] of hosts.entries()) reject(errors, path.child('hosts').index(i), host, isHost(host));
  if (secretName)
    errors.ratcheting(() => reject(errors, path.child('secretName'), secretName, isDns1123Subdomain(secretName)), 'names of secrets');
}

export function validateIngress({ metadata, spec = {} }: Ingress, errors: FieldErrors): void {
  const { rules = [], tls = [], defaultBackend, ingressClassName } = spec;
  if (rules.length === 0 && !defaultBackend) errors.invalid(specPath, null, 'either `defaultBackend` or `rules` must be specified');
  if (defaultBackend) validateBackend(defaultBackend, specPath.child('defaultBackend'), errors);
  for (const [i, rule] of rules.entries()) validateRule(rule, specPath.child('rules').index(i), errors);
  for (const [i, one] of tls.entries()) validateTls(one, specPath.child('tls').index(i), errors);
  if (ingressClassName !== undefined)
    reject(errors, specPath.child('ingressClassName'), ingressClassName, isDns1123Subdomain(ingressClassName));
  const annotation = metadata.annotations?.[ingressClassAnnotation];
  // Stored objects may disagree with themselves, from before this was checked; only new ones have no version yet.
  if (annotation !== undefined && ingressClassName !== undefined && annotation !== ingressClassName && !metadata.resourceVersion)
    errors.invalid(
      new FieldPath('annotations').child(ingressClassAnnotation),
      annotation,
      'must match `ingressClassName` when both are specified',
    );
}

export function validateIngressStatus({ loadBalancer }: IngressStatus, errors: FieldErrors): void {
  for (const [i, { ip, hostname }] of (loadBalancer?.ingress ?? []).entries()) {
    const path = new FieldPath('status').child('loadBalancer', 'ingress').index(i);
    if (ip) rejectNew(errors, path.child('ip'), ip, isIp(ip));
    if (!hostname) continue;
    reject(errors, path.child('hostname'), hostname, isDns1123Subdomain(hostname));
    if (parseLooseIp(hostname)) errors.invalid(path.child('hostname'), hostname, 'must be a DNS name, not an IP address');
  }
}
