import { type FieldErrors, FieldPath } from '../fields.ts';
import { type ServerStorageVersion, StorageVersion, type StorageVersionCondition } from '../generated/apiserverinternal.v1alpha1.ts';
import { defineKind } from '../kind.ts';
import { isDns1035Label, isDns1123Subdomain, isQualifiedName, regexMessage } from '../names.ts';
import { ageColumn, fieldDoc, nameColumn } from '../printing.ts';
import { commonVersion } from './common-version.ts';

const statusPath = new FieldPath('status');

/** `GROUP.RESOURCE`; the core group is `core`. */
function validateName(name: string): string[] {
  const at = name.lastIndexOf('.');
  if (at < 0) return ['name must be in the form of <group>.<resource>'];
  return [
    ...isDns1123Subdomain(name.slice(0, at)).map((m) => `the group segment ${m}`),
    ...isDns1035Label(name.slice(at + 1)).map((m) => `the resource segment ${m}`),
  ];
}

const tooManyParts = `an apiVersion is ${regexMessage(
  "a DNS-1035 label, which must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
  '[a-z]([-a-z0-9]*[a-z0-9])?',
  'my-name',
  'abc-123',
)} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyVersion')`;

function problemsOfVersion(text: string): string[] {
  const [version = '', group, ...more] = text.split('/').reverse();
  if (more.length > 0) return [tooManyParts];
  const problems = (what: string, part: string, rule: (part: string) => string[]) =>
    (part === '' ? ['must be non-empty'] : rule(part)).map((m) => `${what} part: ${m}`);
  return [...(group === undefined ? [] : problems('group', group, isDns1123Subdomain)), ...problems('version', version, isDns1035Label)];
}

function validateVersion(version: string, path: FieldPath, errors: FieldErrors): void {
  const problems = problemsOfVersion(version);
  if (problems.length > 0) errors.invalid(path, version, problems.join(','));
}

function validateServer(server: ServerStorageVersion, path: FieldPath, errors: FieldErrors): void {
  const { apiServerID = '', encodingVersion = '', decodableVersions = [], servedVersions = [] } = server;
  for (const message of isDns1123Subdomain(apiServerID)) errors.invalid(path.child('apiServerID'), apiServerID, message);
  validateVersion(encodingVersion, path.child('encodingVersion'), errors);
  const decodable = path.child('decodableVersions');
  for (const [i, version] of decodableVersions.entries()) validateVersion(version, decodable.index(i), errors);
  if (!decodableVersions.includes(encodingVersion))
    errors.invalid(decodable, decodableVersions, `decodableVersions must include encodingVersion ${encodingVersion}`);
  for (const [i, version] of servedVersions.entries()) {
    const at = path.child('servedVersions').index(i);
    validateVersion(version, at, errors);
    if (!decodableVersions.includes(version))
      errors.invalid(
        at,
        version,
        `individual served version : ${version} must be included in decodableVersions : [${decodableVersions.join(' ')}]`,
      );
  }
}

function validateConditions(conditions: readonly StorageVersionCondition[], path: FieldPath, errors: FieldErrors): void {
  for (const [i, condition] of conditions.entries()) {
    const at = path.index(i);
    const known = conditions.slice(0, i).findLastIndex((c) => c.type === condition.type);
    if (known >= 0)
      errors.invalid(
        at.child('type'),
        condition.type ?? '',
        `the type of the condition is not unique, it also appears in conditions[${known}]`,
      );
    for (const field of ['type', 'status'] as const)
      for (const message of isQualifiedName(condition[field] ?? '')) errors.invalid(at.child(field), condition[field], message);
    for (const field of ['reason', 'message'] as const) if (!condition[field]) errors.required(at.child(field), `${field} cannot be empty`);
  }
}

/** In which version each API server stores a resource; written by API servers for one another (KEP-2339). */
export const storageVersion = defineKind<StorageVersion>({
  resource: StorageVersion,
  generation: false,
  allowUnconditionalUpdate: false,
  validateName,
  subresources: {
    status: {
      keepsMetadata: true,
      validate({ status }, _prev, errors) {
        const servers = status?.storageVersions ?? [];
        for (const [i, server] of servers.entries()) {
          const at = statusPath.child('storageVersions').index(i);
          const { apiServerID = '' } = server;
          if (servers.findIndex((other) => (other.apiServerID ?? '') === apiServerID) < i)
            errors.duplicate(at.child('apiServerID'), apiServerID);
          validateServer(server, at, errors);
        }
        const common = commonVersion(servers);
        const path = statusPath.child('commonEncodingVersion');
        if (status?.commonEncodingVersion === undefined && common !== undefined)
          errors.invalid(path, status?.commonEncodingVersion, `the common encoding version is ${common}`);
        else if (status?.commonEncodingVersion !== undefined && common === undefined)
          errors.invalid(
            path,
            status.commonEncodingVersion,
            'should be nil if servers do not agree on the same encoding version, or if there is no server reporting the supported versions yet',
          );
        else if (status?.commonEncodingVersion !== common)
          errors.invalid(path, status?.commonEncodingVersion, `the actual common encoding version is ${common}`);
        // Upstream leaves out the list's name.
        validateConditions(status?.conditions ?? [], statusPath, errors);
      },
    },
  },
  columns: [
    nameColumn,
    {
      name: 'CommonEncodingVersion',
      description: fieldDoc('apiserverinternal.v1alpha1.StorageVersionStatus.commonEncodingVersion'),
      value: ({ status }) => status?.commonEncodingVersion ?? '<unset>',
    },
    {
      name: 'StorageVersions',
      description: fieldDoc('apiserverinternal.v1alpha1.StorageVersionStatus.storageVersions'),
      value({ status }) {
        const shown = (status?.storageVersions ?? []).map((s) => `${s.apiServerID}=${s.encodingVersion}`);
        const text = shown.slice(0, 3).join(',');
        return shown.length > 3 ? `${text} + ${shown.length - 3} more...` : text || '<unset>';
      },
    },
    ageColumn,
  ],
});
