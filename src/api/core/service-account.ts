import { ServiceAccount } from '../generated/core.v1.ts';
import { defineKind } from '../kind.ts';
import { ageColumn, nameColumn } from '../printing.ts';

export const serviceAccount = defineKind<ServiceAccount>({
  resource: ServiceAccount,
  shortNames: ['sa'],
  storagePrefix: 'serviceaccounts',
  columns: [
    nameColumn,
    {
      name: 'Secrets',
      description: 'Secrets is a list of the secrets in the same namespace that pods running using this ServiceAccount are allowed to use.',
      value: ({ secrets = [] }) => secrets.length,
      type: 'string',
    },
    ageColumn,
  ],
});
