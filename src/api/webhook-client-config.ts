/** Where a webhook is called: what admission webhooks and conversion webhooks have in common (k8s.io/apiserver/pkg/util/webhook). */
import { parseCertificate, pemBlocks } from './certificates/x509.ts';
import type { FieldErrors, FieldPath } from './fields.ts';
import { type GoUrl, parseUrl, UrlError } from './go-url.ts';
import { isDns1123Subdomain, isPortNumber } from './names.ts';

export interface WebhookService {
  namespace?: string;
  name?: string;
  path?: string;
  port?: number;
}

export interface WebhookLocation {
  url?: string;
  service?: WebhookService;
}

const form = 'desired format: https://host[/path]';

function validateUrl(text: string, path: FieldPath, errors: FieldErrors): void {
  let url: GoUrl;
  const [rest = '', fragment = ''] = text.split(/#(.*)/s);
  try {
    url = parseUrl(rest);
  } catch (error) {
    if (!(error instanceof UrlError)) throw error;
    errors.required(path, `url must be a valid URL: ${error.message}; ${form}`);
    return;
  }
  if (url.scheme !== 'https') errors.invalid(path, url.scheme, `'https' is the only allowed URL scheme; ${form}`);
  if (url.host === '') errors.invalid(path, url.host, `host must be specified; ${form}`);
  if (url.user !== undefined) errors.invalid(path, url.user, 'user information is not permitted in the URL');
  if (fragment !== '') errors.invalid(path, fragment, 'fragments are not permitted in the URL');
  if (url.query !== '') errors.invalid(path, url.query, 'query parameters are not permitted in the URL');
}

/** Each step of a path is to be a name as DNS has it. */
function validatePath(urlPath: string, path: FieldPath, errors: FieldErrors): void {
  if (urlPath === '' || urlPath === '/') return;
  if (urlPath === '//') {
    errors.invalid(path, urlPath, 'segment[0] may not be empty');
    return;
  }
  if (!urlPath.startsWith('/')) errors.invalid(path, urlPath, "must start with a '/'");
  for (const [i, step] of urlPath.slice(1).replace(/\/$/, '').split('/').entries())
    if (step === '') errors.invalid(path, urlPath, `segment[${i}] may not be empty`);
    else for (const problem of isDns1123Subdomain(step)) errors.invalid(path, urlPath, `segment[${i}]: ${problem}`);
}

function validateService({ name, namespace, path: urlPath = '', port = 443 }: WebhookService, path: FieldPath, errors: FieldErrors): void {
  // Upstream takes the one for the other.
  if (!namespace) errors.required(path.child('name'));
  if (!name) errors.required(path.child('namespace'));
  const wrongPort = isPortNumber(port);
  if (wrongPort.length > 0) errors.invalid(path.child('port'), port, `port is not valid: ${wrongPort.join(', ')}`);
  validatePath(urlPath, path.child('path'), errors);
}

export function validateWebhookLocation(config: WebhookLocation | undefined, path: FieldPath, errors: FieldErrors): void {
  const { url, service } = config ?? {};
  if ((url === undefined) === (service === undefined)) errors.required(path, 'exactly one of url or service is required');
  else if (url !== undefined) validateUrl(url, path.child('url'), errors);
  else if (service) validateService(service, path.child('service'), errors);
}

/** Why a bundle of certificates, base64 of PEM, can't be trusted by; undefined where it can, and where there is none. */
export function caBundleProblem(bundle: string | undefined): string | undefined {
  if (!bundle) return undefined;
  const blocks = pemBlocks(atob(bundle));
  const why = (problem: string) => `unable to load root certificates: ${problem}`;
  if (blocks.length === 0) return why('unable to parse bytes as PEM block');
  const certificates = blocks.filter(({ type, hasHeaders }) => type === 'CERTIFICATE' && !hasHeaders);
  if (certificates.some(({ bytes }) => parseCertificate(bytes) !== undefined)) return undefined;
  return why(certificates.length > 0 ? 'failed to parse certificate' : 'no valid certificate authority data seen');
}
