/** admin, edit and view: made of the parts that carry their aggregation label, so that custom resources can add to them. */
import type { PolicyRule } from '../../../api/index.ts';
import { read, rule, write } from './rule.ts';

const workloads =
  'controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status';
const writableWorkloads =
  'daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale';

export const viewRules: readonly PolicyRule[] = [
  rule(
    read,
    'core',
    'configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status',
  ),
  rule(
    read,
    'core',
    'bindings limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status',
  ),
  rule(read, 'core', 'namespaces'),
  rule(read, 'core events', 'events'),
  rule(read, 'discovery', 'endpointslices'),
  rule(read, 'apps', workloads),
  rule(read, 'autoscaling', 'horizontalpodautoscalers horizontalpodautoscalers/status'),
  rule(read, 'batch', 'cronjobs cronjobs/status jobs jobs/status'),
  rule(
    read,
    'extensions',
    'daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses ingresses/status networkpolicies replicasets replicasets/scale replicasets/status replicationcontrollers/scale',
  ),
  rule(read, 'policy', 'poddisruptionbudgets poddisruptionbudgets/status'),
  rule(read, 'networking', 'ingresses ingresses/status networkpolicies'),
  rule(read, 'resource', 'resourceclaims resourceclaims/status resourceclaimtemplates'),
];

export const editRules: readonly PolicyRule[] = [
  rule(read, 'core', 'pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy'),
  rule('impersonate', 'core', 'serviceaccounts'),
  rule(write, 'core', 'pods pods/attach pods/exec pods/portforward pods/proxy'),
  rule('create', 'core', 'pods/eviction'),
  rule(
    write,
    'core',
    'configmaps persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy',
  ),
  rule(write, 'core events', 'events'),
  rule('create', 'core', 'serviceaccounts/token'),
  rule(write, 'apps', writableWorkloads),
  rule(write, 'autoscaling', 'horizontalpodautoscalers'),
  rule(write, 'batch', 'cronjobs jobs'),
  rule(
    write,
    'extensions',
    'daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies replicasets replicasets/scale replicationcontrollers/scale',
  ),
  rule(write, 'policy', 'poddisruptionbudgets'),
  rule(write, 'networking', 'ingresses networkpolicies'),
  rule('create delete deletecollection get list patch update watch', 'coordination', 'leases'),
  rule(write, 'resource', 'resourceclaims resourceclaimtemplates'),
];

export const adminRules: readonly PolicyRule[] = [
  rule('create', 'authorization', 'localsubjectaccessreviews'),
  rule(`${write} get list watch`, 'rbac', 'rolebindings roles'),
];
