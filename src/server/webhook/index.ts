export { connectionProblem } from './go-words.ts';
export { type KubeconfigWebhook, openKubeconfigWebhook, postPatiently, RefusedError } from './kubeconfig-webhook.ts';
export { resolveService, type ServiceAddress } from './service-address.ts';
export {
  createWebhookClient,
  type WebhookCall,
  type WebhookClient,
  type WebhookClientConfig,
  WebhookStatusError,
} from './webhook-client.ts';
export { type CredentialsFor, openWebhookCredentials } from './webhook-credentials.ts';
