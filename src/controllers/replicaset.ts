import { ReplicaSet, selectorFromObject } from '../api/index.ts';
import { replicaController } from './replicas.ts';

export const replicaSetController = replicaController({
  name: 'replicaset-controller',
  resource: ReplicaSet,
  component: 'replicaset-controller',
  selector: (replicaSet) => selectorFromObject(replicaSet.spec.selector),
});
