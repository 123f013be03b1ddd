import type { CertificateSigningRequest } from '../../api/index.ts';
import type { AdmissionPlugin } from '../request.ts';

/** A signing request says who made it: approvers decide by that, so clients may not write it themselves. Always on. */
export const certificateRequester: AdmissionPlugin = {
  name: 'CertificateRequester',
  handles: (r) =>
    r.group === 'certificates.k8s.io' && r.resource === 'certificatesigningrequests' && r.subresource === '' && r.operation !== 'DELETE',
  admit({ operation, object, oldObject, user }) {
    const { spec } = object as CertificateSigningRequest;
    if (operation === 'UPDATE') {
      Object.assign(object as CertificateSigningRequest, { spec: (oldObject as CertificateSigningRequest).spec });
      return;
    }
    spec.username = user.name;
    spec.groups = [...user.groups];
    if (user.uid) spec.uid = user.uid;
    else delete spec.uid;
    if (user.extra) spec.extra = Object.fromEntries(Object.entries(user.extra).map(([key, values]) => [key, [...values]]));
    else delete spec.extra;
  },
};
