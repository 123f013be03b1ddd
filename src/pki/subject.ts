/** Distinguished names as Kubernetes reads them: CN is the user, each O a group. */
export interface Subject {
  commonName: string;
  organizations?: readonly string[];
}

/** In the form @peculiar/x509 writes: organizations first, as Go does. */
export function toJsonName(subject: Subject): Record<string, string[]>[] {
  const organizations = [...(subject.organizations ?? [])].sort();
  return [...organizations.map((o) => ({ O: [o] })), { CN: [subject.commonName] }];
}

export interface AlternativeNames {
  dnsNames?: readonly string[];
  ipAddresses?: readonly string[];
}

export function toGeneralNames(names: AlternativeNames): { type: 'dns' | 'ip'; value: string }[] {
  return [
    ...(names.dnsNames ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(names.ipAddresses ?? []).map((value) => ({ type: 'ip' as const, value })),
  ];
}
