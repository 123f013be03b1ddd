import { featuresForUpdate, Node, type Pod } from '../../api/index.ts';
import type { AdmissionPlugin } from '../request.ts';
import { readObject } from '../storages.ts';
import { type AdmissionContext, isUpdate, refuse } from './context.ts';

/** A pod that runs is changed only in ways that its node has declared to know (KEP-5328). */
export function nodeDeclaredFeatureValidator(context: AdmissionContext): AdmissionPlugin {
  const isOn = context.isEnabled?.('NodeDeclaredFeatures') ?? true;
  return {
    name: 'NodeDeclaredFeatureValidator',
    handles: (r) => isOn && r.group === '' && r.resource === 'pods' && (r.subresource === '' || r.subresource === 'resize') && isUpdate(r),
    async validate(request) {
      // What is served as pods.
      const next = request.object as Pod;
      const { nodeName } = next.spec;
      if (!nodeName) return;
      const required = featuresForUpdate(next, request.oldObject as Pod);
      if (required.length === 0) return;
      const node = await readObject(context.storages, Node, '', nodeName);
      const quoted = JSON.stringify(nodeName);
      if (node === undefined) throw refuse(request, `node ${quoted} not found`);
      const missing = required.filter((feature) => !node.status?.declaredFeatures?.includes(feature));
      if (missing.length > 0)
        throw refuse(request, `pod update requires features ${missing.join(', ')} which are not available on node ${quoted}`);
    },
  };
}
