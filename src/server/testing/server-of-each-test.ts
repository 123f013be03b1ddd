/** For a file of tests that imports this: a server for each of them, and drafts of what they make. */
import { afterEach, beforeEach } from 'vitest';
import type { ConfigMap, Deployment, Draft, Pod } from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import { openTestServer, type TestServer } from './test-server.ts';

export let under: TestServer;
export let admin: Client;
beforeEach(async () => {
  under = await openTestServer();
  admin = under.admin;
});
afterEach(() => under.close());

export const namespace = 'work';
export const configMap = (name: string, data: Record<string, string> = {}, metadata = {}): Draft<ConfigMap> => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace, ...metadata },
  data,
});
export const pod = (name: string, labels: Record<string, string> = {}): Draft<Pod> => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace, labels },
  // The server fills in what the types call required.
  spec: { containers: [{ name: 'c', image: 'i' }] } as Pod['spec'],
});
export const deployment = (name: string) =>
  ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: {
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  }) as unknown as Draft<Deployment>;
