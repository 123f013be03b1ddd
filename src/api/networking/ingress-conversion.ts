/** Ingress as it was in v1beta1 of extensions and networking.k8s.io: a backend is a service's name and port, side by side. */

import type { Ingress, IngressBackend, IngressRule, PathType } from '../generated/networking.v1.ts';
import type * as v1beta1 from '../generated/networking.v1beta1.ts';
import type { Conversion } from '../served-version.ts';

function backendToV1({ serviceName, servicePort, resource }: v1beta1.IngressBackend): IngressBackend {
  const port = typeof servicePort === 'string' ? { name: servicePort } : { number: servicePort ?? 0 };
  return {
    ...(serviceName || typeof servicePort === 'string' || servicePort ? { service: { name: serviceName ?? '', port } } : {}),
    ...(resource ? { resource } : {}),
  };
}

function backendFromV1({ service, resource }: IngressBackend): v1beta1.IngressBackend {
  return {
    ...(service ? { serviceName: service.name, servicePort: service.port?.name || (service.port?.number ?? 0) } : {}),
    ...(resource ? { resource } : {}),
  };
}

/** Rewrites the backend of every path. */
function mapBackends<From, To>(rules: readonly RuleOf<From>[], change: (backend: From) => To): RuleOf<To>[] {
  return rules.map(({ http, ...rule }) =>
    http ? { ...rule, http: { paths: (http.paths ?? []).map((path) => ({ ...path, backend: change(path.backend) })) } } : rule,
  );
}

type RuleOf<Backend> = Omit<IngressRule, 'http'> & { http?: { paths: { path?: string; pathType?: PathType; backend: Backend }[] } };

export const ingressConversion: Conversion<v1beta1.Ingress, Ingress> = {
  defaults({ spec }) {
    for (const rule of spec?.rules ?? []) for (const path of rule.http?.paths ?? []) path.pathType ??= 'ImplementationSpecific';
  },
  toStorage({ spec, ...ingress }) {
    const { backend, rules, ...rest } = spec ?? {};
    return {
      ...ingress,
      spec: {
        ...rest,
        ...(backend ? { defaultBackend: backendToV1(backend) } : {}),
        ...(rules ? { rules: mapBackends(rules, backendToV1) } : {}),
      },
    };
  },
  fromStorage({ spec, ...ingress }) {
    const { defaultBackend, rules, ...rest } = spec;
    return {
      ...ingress,
      spec: {
        ...rest,
        ...(defaultBackend ? { backend: backendFromV1(defaultBackend) } : {}),
        ...(rules ? { rules: mapBackends(rules, backendFromV1) } : {}),
      },
    };
  },
};
