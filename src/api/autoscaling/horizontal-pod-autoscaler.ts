import { deepCopy } from '../equality.ts';
import * as v1 from '../generated/autoscaling.v1.ts';
import { HorizontalPodAutoscaler, type HPAScalingRules } from '../generated/autoscaling.v2.ts';
import * as v2beta1 from '../generated/autoscaling.v2beta1.ts';
import * as v2beta2 from '../generated/autoscaling.v2beta2.ts';
import { defineKind } from '../kind.ts';
import { ageColumn, fieldDoc, nameColumn } from '../printing.ts';
import { convertedVersion } from '../served-version.ts';
import { withAnnotations } from './autoscaler-annotations.ts';
import { autoscalerV1 } from './autoscaler-v1.ts';
import { autoscalerV2beta1, autoscalerV2beta2 } from './autoscaler-v2-betas.ts';
import { validateAutoscaler, validateAutoscalerStatus } from './autoscaler-validation.ts';
import { metricsCell } from './metric-cells.ts';

/** What one who says something of scaling leaves open: up at once by 4 pods or to the double, down without bound after the controller's window. */
const scaleUp: Required<Omit<HPAScalingRules, 'tolerance'>> = {
  stabilizationWindowSeconds: 0,
  selectPolicy: 'Max',
  policies: [
    { type: 'Pods', value: 4, periodSeconds: 15 },
    { type: 'Percent', value: 100, periodSeconds: 15 },
  ],
};
const scaleDown: HPAScalingRules = { selectPolicy: 'Max', policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }] };

export const horizontalPodAutoscaler = defineKind<HorizontalPodAutoscaler>({
  resource: HorizontalPodAutoscaler,
  shortNames: ['hpa'],
  categories: ['all'],
  versions: [
    convertedVersion(v1.HorizontalPodAutoscaler, HorizontalPodAutoscaler, autoscalerV1),
    convertedVersion(v2beta1.HorizontalPodAutoscaler, HorizontalPodAutoscaler, autoscalerV2beta1),
    convertedVersion(v2beta2.HorizontalPodAutoscaler, HorizontalPodAutoscaler, autoscalerV2beta2),
  ],
  generation: false,
  defaults(hpa) {
    // What v1 says in annotations has fields here.
    hpa.metadata = withAnnotations(hpa.metadata, {});
    const { spec } = hpa;
    if (!spec) return;
    spec.minReplicas ??= 1;
    if (!spec.metrics?.length)
      spec.metrics = [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } }];
    if (!spec.behavior) return;
    spec.behavior.scaleUp = { ...deepCopy(scaleUp), ...spec.behavior.scaleUp };
    spec.behavior.scaleDown = { ...deepCopy(scaleDown), ...spec.behavior.scaleDown };
  },
  validateCreate: (hpa, errors) => validateAutoscaler(hpa, undefined, errors),
  validateUpdate: validateAutoscaler,
  subresources: { status: { validate: (next, _prev, errors) => validateAutoscalerStatus(next, errors) } },
  columns: [
    nameColumn,
    {
      name: 'Reference',
      description: fieldDoc('autoscaling.v2.HorizontalPodAutoscalerSpec.scaleTargetRef'),
      value: ({ spec: { scaleTargetRef } }) => `${scaleTargetRef.kind}/${scaleTargetRef.name}`,
    },
    {
      name: 'Targets',
      description: fieldDoc('autoscaling.v2.HorizontalPodAutoscalerSpec.metrics'),
      value: metricsCell,
    },
    {
      name: 'MinPods',
      description: fieldDoc('autoscaling.v2.HorizontalPodAutoscalerSpec.minReplicas'),
      value: ({ spec }) => String(spec.minReplicas ?? '<unset>'),
    },
    {
      name: 'MaxPods',
      description: fieldDoc('autoscaling.v2.HorizontalPodAutoscalerSpec.maxReplicas'),
      value: ({ spec }) => spec.maxReplicas,
    },
    {
      name: 'Replicas',
      description: fieldDoc('autoscaling.v2.HorizontalPodAutoscalerStatus.currentReplicas'),
      value: ({ status }) => status?.currentReplicas ?? 0,
    },
    ageColumn,
  ],
});
