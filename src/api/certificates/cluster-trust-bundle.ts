import { validateSignerName } from '../core/signer-names.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import * as v1alpha1 from '../generated/certificates.v1alpha1.ts';
import { ClusterTrustBundle } from '../generated/certificates.v1beta1.ts';
import { defineKind } from '../kind.ts';
import { byteLength, nameIsDnsSubdomain } from '../names.ts';
import { validateImmutable } from '../object-meta.ts';
import { fieldDoc, nameColumn } from '../printing.ts';
import { sameShape } from '../served-version.ts';
import { parseCertificate, pemBlocks } from './x509.ts';

const specPath = new FieldPath('spec');
const maxBundleBytes = 1024 * 1024;

/** A bundle of a signer begins with its name, `/` written as `:`. */
function nameProblems(name: string, signerName: string): string[] {
  if (signerName === '') {
    if (name.includes(':')) return ['ClusterTrustBundle without signer name must not have ":" in its name'];
    return nameIsDnsSubdomain(name, false);
  }
  const prefix = `${signerName.replaceAll('/', ':')}:`;
  if (!name.startsWith(prefix)) return [`ClusterTrustBundle for signerName ${signerName} must be named with prefix ${prefix}`];
  return nameIsDnsSubdomain(name.slice(prefix.length), false);
}

function validateBundle(text: string, path: FieldPath, errors: FieldErrors): void {
  if (byteLength(text) > maxBundleBytes) {
    errors.tooLong(path, maxBundleBytes);
    return;
  }
  const refuse = (why: string) => errors.invalid(path, '<value omitted>', why);
  const entries = new Map<string, number[]>();
  let malformed = false;
  for (const [i, { type, hasHeaders, bytes }] of pemBlocks(text).entries()) {
    const certificate = type === 'CERTIFICATE' && !hasHeaders ? parseCertificate(bytes) : undefined;
    if (certificate?.isCa) {
      const key = bytes.join();
      entries.set(key, [...(entries.get(key) ?? []), i]);
      continue;
    }
    malformed = true;
    if (type !== 'CERTIFICATE') refuse(`entry ${i} has bad block type: ${type}`);
    else if (hasHeaders) refuse(`entry ${i} has PEM block headers`);
    else if (!certificate) refuse(`entry ${i} does not parse as X.509`);
    else refuse(`entry ${i} does not have the CA bit set`);
  }
  if (malformed) return;
  if (entries.size === 0) refuse('at least one trust anchor must be provided');
  for (const indices of entries.values()) if (indices.length > 1) refuse(`duplicate trust anchor (indices [${indices.join(' ')}])`);
}

/** Certificates to trust, for everybody in the cluster (KEP-3257). */
export const clusterTrustBundle = defineKind<ClusterTrustBundle>({
  resource: ClusterTrustBundle,
  versions: [sameShape(v1alpha1.ClusterTrustBundle, ClusterTrustBundle)],
  allowUnconditionalUpdate: false,
  // What a name must be depends on the signer: `validate` has it.
  validateName: () => [],
  validate({ metadata, spec: { signerName = '' } }, errors) {
    for (const message of metadata.name ? nameProblems(metadata.name, signerName) : [])
      errors.invalid(new FieldPath('metadata').child('name'), metadata.name, message);
    if (signerName) validateSignerName(signerName, specPath.child('signerName'), errors);
  },
  validateCreate: ({ spec }, errors) => validateBundle(spec.trustBundle, specPath.child('trustBundle'), errors),
  validateUpdate(next, prev, errors) {
    if (next.spec.trustBundle !== prev.spec.trustBundle) validateBundle(next.spec.trustBundle, specPath.child('trustBundle'), errors);
    validateImmutable(next.spec.signerName ?? '', prev.spec.signerName ?? '', specPath.child('signerName'), errors);
  },
  fieldSelectors: { 'spec.signerName': ({ spec }) => spec.signerName ?? '' },
  columns: [
    nameColumn,
    {
      name: 'SignerName',
      description: fieldDoc('certificates.v1beta1.ClusterTrustBundleSpec.signerName'),
      value: ({ spec }) => spec.signerName || '<none>',
    },
  ],
});
