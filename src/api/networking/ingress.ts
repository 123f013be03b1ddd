import * as extensions from '../generated/extensions.v1beta1.ts';
import { Ingress, type IngressRule } from '../generated/networking.v1.ts';
import * as v1beta1 from '../generated/networking.v1beta1.ts';
import { defineKind } from '../kind.ts';
import { ageColumn, nameColumn } from '../printing.ts';
import type { Resource } from '../resource.ts';
import { convertedVersion } from '../served-version.ts';
import { ingressConversion } from './ingress-conversion.ts';
import { validateIngress, validateIngressStatus } from './ingress-validation.ts';

const shownHosts = 3;
const classAnnotation = 'kubernetes.io/ingress.class';

function formatHosts(rules: readonly IngressRule[]): string {
  const hosts: string[] = [];
  let more = false;
  for (const { host } of rules) {
    if (hosts.length === shownHosts) more = true;
    else if (host) hosts.push(host);
  }
  if (hosts.length === 0) return '*';
  return more ? `${hosts.join(',')} + ${rules.length - shownHosts} more...` : hosts.join(',');
}

export const ingress = defineKind<Ingress>({
  resource: Ingress,
  shortNames: ['ing'],
  storagePrefix: 'ingress',
  versions: [
    convertedVersion(v1beta1.Ingress, Ingress, ingressConversion),
    // The extensions group's Ingress was the same type as networking.k8s.io/v1beta1's.
    convertedVersion(extensions.Ingress as Resource<v1beta1.Ingress>, Ingress, ingressConversion),
  ],
  validate: validateIngress,
  warnings: ({ metadata, spec }, prev) =>
    !prev && metadata.annotations?.[classAnnotation] !== undefined && spec?.ingressClassName === undefined
      ? [`annotation "${classAnnotation}" is deprecated, please use 'spec.ingressClassName' instead`]
      : [],
  subresources: { status: { validate: ({ status }, _prev, errors) => validateIngressStatus(status ?? {}, errors) } },
  columns: [
    nameColumn,
    {
      name: 'Class',
      description: 'The name of the IngressClass resource that should be used for additional configuration',
      value: ({ spec }) => spec?.ingressClassName ?? '<none>',
    },
    {
      name: 'Hosts',
      description: 'Hosts that incoming requests are matched against before the ingress rule',
      value: ({ spec }) => formatHosts(spec?.rules ?? []),
    },
    {
      name: 'Address',
      description: 'Address is a list containing ingress points for the load-balancer',
      value: ({ status }) =>
        [...new Set((status?.loadBalancer?.ingress ?? []).flatMap(({ ip, hostname }) => ip || hostname || []))].sort().join(','),
    },
    { name: 'Ports', description: 'Ports of TLS configurations that open', value: ({ spec }) => (spec?.tls?.length ? '80, 443' : '80') },
    ageColumn,
  ],
});
