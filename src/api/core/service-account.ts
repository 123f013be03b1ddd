import { ServiceAccount } from '../generated/core.v1.ts';
import { defineKind } from '../kind.ts';
import { ageColumn, nameColumn } from '../printing.ts';

const mountableSecretsAnnotation = 'kubernetes.io/enforce-mountable-secrets';
const hasOldAnnotation = ({ metadata }: ServiceAccount) => metadata.annotations?.[mountableSecretsAnnotation] !== undefined;

/** Secrets are those of the same namespace: of a reference only the name counts. */
function keepSecretNames(account: ServiceAccount): void {
  if (account.secrets) account.secrets = account.secrets.map(({ name }) => (name ? { name } : {}));
}

export const serviceAccount = defineKind<ServiceAccount>({
  resource: ServiceAccount,
  answersDeleted: true,
  shortNames: ['sa'],
  storagePrefix: 'serviceaccounts',
  create: keepSecretNames,
  update: keepSecretNames,
  warnings: (next, prev) =>
    hasOldAnnotation(next) && !(prev && hasOldAnnotation(prev))
      ? [
          `metadata.annotations[${mountableSecretsAnnotation}]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets`,
        ]
      : [],
  columns: [nameColumn, ageColumn],
});
