import { type FieldErrors, FieldPath } from '../fields.ts';
import { type ServerStorageVersion, StorageVersion, type StorageVersionCondition } from '../generated/apiserverinternal.v1alpha1.ts';
import { defineKind } from '../kind.ts';
import { isDns1035Label, isDns1123Subdomain, isQualifiedName } from '../names.ts';
import { ageColumn, fieldDoc, nameColumn } from '../printing.ts';
import { parseApiVersion } from '../resource.ts';

const statusPath = new FieldPath('status');

/** `GROUP.RESOURCE`; the core group is `core`. */
function validateName(name: string, prefix: boolean): string[] {
  const value = prefix && name.endsWith('-') ? `${name.slice(0, -1)}a` : name;
  const at = value.lastIndexOf('.');
  if (at < 0) return ['name must be in the form of <group>.<resource>'];
  return [...isDns1123Subdomain(value.slice(0, at)), ...isDns1035Label(value.slice(at + 1))];
}

function problemsOfVersion(text: string): string[] {
  const { group, version } = parseApiVersion(text);
  if (text.split('/').length > 2) return [`an apiVersion is a DNS-1035 label optionally prefixed by a DNS subdomain and '/'`];
  return [
    ...(text.includes('/') ? isDns1123Subdomain(group).map((m) => `group part: ${m}`) : []),
    ...isDns1035Label(version).map((m) => `version part: ${m}`),
  ];
}

function validateServer(server: ServerStorageVersion, path: FieldPath, errors: FieldErrors): void {
  const { apiServerID = '', encodingVersion = '', decodableVersions = [], servedVersions = [] } = server;
  for (const message of isQualifiedName(apiServerID)) errors.invalid(path.child('apiServerID'), apiServerID, message);
  for (const message of problemsOfVersion(encodingVersion)) errors.invalid(path.child('encodingVersion'), encodingVersion, message);
  if (!decodableVersions.includes(encodingVersion))
    errors.invalid(path, encodingVersion, `decodableVersions must include encodingVersion ${encodingVersion}`);
  for (const [i, version] of decodableVersions.entries())
    for (const message of problemsOfVersion(version)) errors.invalid(path.child('decodableVersions').index(i), version, message);
  for (const [i, version] of servedVersions.entries()) {
    for (const message of problemsOfVersion(version)) errors.invalid(path.child('servedVersions').index(i), version, message);
    if (!decodableVersions.includes(version))
      errors.invalid(path.child('servedVersions').index(i), version, `decodableVersions must include servedVersion ${version}`);
  }
}

/** The version that all servers encode in, where they agree. */
function commonVersion(servers: readonly ServerStorageVersion[]): string | undefined {
  const [first] = servers;
  return servers.every((s) => s.encodingVersion === first?.encodingVersion) ? first?.encodingVersion : undefined;
}

function validateConditions(conditions: readonly StorageVersionCondition[], path: FieldPath, errors: FieldErrors): void {
  for (const [i, condition] of conditions.entries()) {
    const at = path.index(i);
    const first = conditions.findIndex((c) => c.type === condition.type);
    if (first < i)
      errors.invalid(at.child('type'), condition.type, `the type of the condition is not unique, it also appears in conditions[${first}]`);
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
        for (const [i, server] of servers.entries()) validateServer(server, statusPath.child('storageVersions').index(i), errors);
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
        validateConditions(status?.conditions ?? [], statusPath.child('conditions'), errors);
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
