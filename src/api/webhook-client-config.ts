/** Where a webhook is called: what admission webhooks and conversion webhooks have in common (k8s.io/apiserver/pkg/util/webhook). */
import type { FieldErrors, FieldPath } from './fields.ts';

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
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    // No URL at all: what is wrong with it is said by its form.
    errors.required(path, `url must be a valid URL: ${form}`);
    return;
  }
  if (url.protocol !== 'https:') errors.invalid(path, url.protocol.slice(0, -1), `'https' is the only allowed URL scheme; ${form}`);
  if (url.host === '') errors.invalid(path, url.host, `host must be specified; ${form}`);
  if (url.username !== '' || url.password !== '') errors.invalid(path, url.username, 'user information is not permitted in the URL');
  if (url.hash !== '') errors.invalid(path, url.hash.slice(1), 'fragments are not permitted in the URL');
  if (url.search !== '') errors.invalid(path, url.search.slice(1), 'query parameters are not permitted in the URL');
}

function validateService({ name, namespace, path: urlPath, port = 443 }: WebhookService, path: FieldPath, errors: FieldErrors): void {
  if (!name) errors.required(path.child('name'), 'service name is required');
  if (!namespace) errors.required(path.child('namespace'), 'service namespace is required');
  if (port < 1 || port > 65535) errors.invalid(path.child('port'), port, 'port is not valid: must be between 1 and 65535, inclusive');
  if (urlPath !== undefined && !urlPath.startsWith('/')) errors.invalid(path.child('path'), urlPath, "must start with a '/'");
}

export function validateWebhookLocation(config: WebhookLocation | undefined, path: FieldPath, errors: FieldErrors): void {
  const { url, service } = config ?? {};
  if ((url === undefined) === (service === undefined)) errors.required(path, 'exactly one of url or service is required');
  else if (url !== undefined) validateUrl(url, path.child('url'), errors);
  else if (service) validateService(service, path.child('service'), errors);
}
