import { expect, it } from 'vitest';
import { ConfigMap, extensionsV1beta1 } from '../../api/index.ts';
import { openTestServer } from '../testing/test-server.ts';

it('tells what was asked and stored, under the names, labels and buckets that upstream promises', async () => {
  const { server, admin, close } = await openTestServer({
    admission: [{ name: 'Nothing', handles: () => true, validate: () => {} }],
  });
  try {
    await admin.create(ConfigMap, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'default' } });
    await admin.list(extensionsV1beta1.Deployment, { namespace: 'default' });
    const transport = server.localTransport({ name: 'admin', groups: ['system:masters'] });
    const get = (path: string) => transport.request({ method: 'GET', path, query: new URLSearchParams() });
    await get('/healthz');
    for (let i = 0; i < 3; i++) await get(`/api/v1/namespaces/default/nonsense${i}`);
    const ask = (method: string, path: string, query = '') =>
      transport.request({ method, path, query: new URLSearchParams(query) }).catch(() => {});
    await ask('DELETE', '/api/v1/namespaces/default/configmaps', 'dryRun=All');
    await ask('DELETE', '/api/v1/namespaces/default/configmaps', 'dryRun=None');
    await ask('HEAD', '/healthz');
    const text = String((await get('/metrics')).body);
    const lines = text.split('\n');

    expect(text).toContain(
      '# HELP apiserver_request_total [STABLE] Counter of apiserver requests broken out for each verb, dry run value,',
    );
    expect(lines).toContain(
      'apiserver_request_total{code="201",component="apiserver",dry_run="",group="",resource="configmaps",scope="resource",subresource="",verb="POST",version="v1"} 1',
    );
    expect(lines).toContain(
      'apiserver_request_duration_seconds_count{component="apiserver",dry_run="",group="",resource="configmaps",scope="resource",subresource="",verb="POST",version="v1"} 1',
    );
    // Methods, but for lists, watches, connections and applied patches.
    for (const dryRun of ['All', 'invalid'])
      expect(text).toMatch(
        new RegExp(`^apiserver_request_total\\{.*dry_run="${dryRun}",.*resource="configmaps",scope="namespace",.*verb="DELETE",`, 'm'),
      );
    expect(text).not.toMatch(/^apiserver_request_sli_duration_seconds_count.*verb="DELETE"/m);
    expect(text).toMatch(/^apiserver_request_total\{.*subresource="\/healthz",verb="GET",version=""\} 2$/m);
    expect(lines).toContain('field_validation_request_duration_seconds_count{field_validation=""} 1');
    const bounds = lines.flatMap((line) => /^apiserver_request_duration_seconds_bucket\{.*verb="POST".*le="(.*?)"/.exec(line)?.[1] ?? []);
    expect(bounds).toEqual(
      ['0.005', '0.025', '0.05', '0.1', '0.2', '0.4', '0.6', '0.8', '1', '1.25', '1.5', '2', '3', '4', '5', '6', '8', '10'].concat([
        ...['15', '20', '30', '45', '60', '+Inf'],
      ]),
    );
    expect(lines).toContain(
      'apiserver_requested_deprecated_apis{group="extensions",removed_release="1.16",resource="deployments",subresource="",version="v1beta1"} 1',
    );
    expect(lines).toContain('apiserver_storage_objects{resource="configmaps"} 1');
    expect(lines).toContain('apiserver_watch_cache_events_dispatched_total{group="",resource="configmaps"} 1');
    expect(lines).toContain('apiserver_storage_events_received_total{group="",resource="configmaps"} 1');
    expect(lines).toContain('apiserver_resource_objects{group="apps",resource="deployments"} 0');
    expect(text).toMatch(
      /apiserver_admission_controller_admission_duration_seconds_count\{name="Nothing",operation="CREATE",rejected="false",type="validate"\} 1/,
    );
    expect(text).toMatch(/apiserver_admission_step_admission_duration_seconds_count\{operation="CREATE",rejected="false",type="admit"\} 1/);
    expect(text).toMatch(/^kubernetes_build_info\{build_date=.*,major="1",minor="36",platform=/m);
    expect(lines).toContain('version_info{binary="1.36",component="kube",emulation="1.36",min_compat="1.35"} 1');
    expect(text).toContain('# HELP apiserver_storage_objects [STABLE] (Deprecated since 1.34.0) [DEPRECATED, consider using');
    expect(lines).toContain('registered_metrics_total{deprecated_version="1.34.0",stability_level="STABLE"} 1');
    expect(lines.filter((line) => line.startsWith('# TYPE'))).toEqual(lines.filter((line) => line.startsWith('# TYPE')).sort());
    // What nobody serves is no label, however many ask for it.
    expect(text).not.toContain('nonsense');
    const slis = String((await get('/metrics/slis')).body);
    expect(slis).toContain('kubernetes_healthcheck{name="ping",type="healthz"} 1');
    expect(slis).not.toContain('apiserver_request_total');
  } finally {
    await close();
  }
});
