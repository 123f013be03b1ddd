import { Namespace, type Pod, type PodTemplateSpec } from '../../api/index.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../request.ts';
import { readObject } from '../storages.ts';
import { type AdmissionContext, isCreate, isUpdate, refuse } from './context.ts';
import { describeViolations, type Level, violations } from './pod-security-checks.ts';

const prefix = 'pod-security.kubernetes.io/';
const levels = new Set<string>(['privileged', 'baseline', 'restricted']);
/** Resources that carry a pod template: they are warned about, not refused. */
const templated = new Set([
  '/replicationcontrollers',
  '/podtemplates',
  'apps/deployments',
  'apps/replicasets',
  'apps/daemonsets',
  'apps/statefulsets',
  'batch/jobs',
  'batch/cronjobs',
]);

/** Namespace labels say which Pod Security Standard pods must meet (KEP-2579). */
export function podSecurity(context: AdmissionContext): AdmissionPlugin {
  return {
    name: 'PodSecurity',
    handles: (r) => {
      if (!isCreate(r) && !isUpdate(r)) return false;
      if (r.group === '' && r.resource === 'pods') return r.subresource === '' || r.subresource === 'ephemeralcontainers';
      return r.subresource === '' && templated.has(`${r.group}/${r.resource}`);
    },
    async validate(request) {
      const labels = (await readObject(context.storages, Namespace, '', request.namespace))?.metadata.labels ?? {};
      const level = (mode: string): Level => {
        const value = labels[prefix + mode] ?? 'privileged';
        // A level that does not exist is taken as the strictest, as upstream has it.
        return (levels.has(value) ? value : 'restricted') as Level;
      };
      const version = (mode: string) => labels[`${prefix}${mode}-version`] ?? 'latest';
      const template = templateOf(request);
      if (template?.spec === undefined || (request.resource === 'pods' && isUpdate(request) && !changesSecurity(request))) return;
      const { spec } = template;
      const found = (of: Level) => violations(of, spec, template.metadata?.annotations ?? {});
      if (request.resource === 'pods') {
        request.auditAnnotation(`${prefix}enforce-policy`, `${level('enforce')}:${version('enforce')}`);
        const enforce = found(level('enforce'));
        if (enforce.length > 0)
          throw refuse(
            request,
            `violates PodSecurity ${JSON.stringify(`${level('enforce')}:${version('enforce')}`)}: ${describeViolations(enforce)}`,
          );
      }
      const audit = found(level('audit'));
      if (audit.length > 0)
        request.auditAnnotation(
          `${prefix}audit-violations`,
          `would violate PodSecurity ${JSON.stringify(`${level('audit')}:${version('audit')}`)}: ${describeViolations(audit)}`,
        );
      const warn = found(level('warn'));
      if (warn.length > 0)
        request.warn(`would violate PodSecurity ${JSON.stringify(`${level('warn')}:${version('warn')}`)}: ${describeViolations(warn)}`);
    },
  };
}

function templateOf(request: AdmissionRequest): Pick<PodTemplateSpec, 'metadata' | 'spec'> | undefined {
  if (request.resource === 'pods') return request.object as Pod;
  const object = request.object as unknown as {
    template?: PodTemplateSpec;
    spec?: { template?: PodTemplateSpec; jobTemplate?: { spec?: { template?: PodTemplateSpec } } };
  };
  return object.template ?? object.spec?.template ?? object.spec?.jobTemplate?.spec?.template;
}

/** Of a pod's spec little can change; what may is images, deadlines, tolerations, and ephemeral containers, of which only the last matter. */
function changesSecurity(request: AdmissionRequest): boolean {
  return request.subresource === 'ephemeralcontainers';
}
