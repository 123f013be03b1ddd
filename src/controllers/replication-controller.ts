import { nothing, ReplicationController, selectorFromLabels } from '../api/index.ts';
import { replicaController } from './replicas.ts';

export const replicationController = replicaController({
  name: 'replicationcontroller-controller',
  resource: ReplicationController,
  component: 'replication-controller',
  selector: ({ spec: { selector } }) => (selector && Object.keys(selector).length > 0 ? selectorFromLabels(selector) : nothing),
});
