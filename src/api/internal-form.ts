/** How upstream's messages show a struct: as its internal types have it, without JSON's names and with what is not set. */
import type { Field, StructNode, TypeNode } from './schema/node.ts';
import { structNode } from './schema/table.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Words that Go writes large. */
const initialism =
  /^(api|aws|cel|csi|dns|fc|fs|gce|gid|gmsa|grpc|http|ip|iqn|iscsi|nfs|os|pd|pkix|qos|rbd|se(?=Linux)|ssl|tcp|tty|uid)(?=[A-Z]|$)/;
const otherNames: Readonly<Record<string, string>> = { cephfs: 'CephFS', storageos: 'StorageOS' };

const goName = (name: string) =>
  otherNames[name] ?? name.replace(initialism, (word) => word.toUpperCase()).replace(/^[a-z]/, (first) => first.toUpperCase());

/** What the internal PodSpec keeps in its security context, ahead of what is there for JSON too. */
const securityFields = ['hostNetwork', 'hostPID', 'hostIPC', 'shareProcessNamespace', 'hostUsers'];

/** Fields that stand elsewhere in the internal type: each is followed by those after it. */
const places: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  'core.v1.PodSpec': { subdomain: ['setHostnameAsFQDN'], priority: ['preemptionPolicy'], runtimeClassName: ['overhead'] },
  'core.v1.PodSecurityContext': { fsGroup: ['fsGroupChangePolicy'] },
  'core.v1.PersistentVolumeSpec': {
    nfs: ['rbd', 'quobyte', 'iscsi', 'flexVolume'],
    flocker: ['azureFile', 'vsphereVolume', 'azureDisk', 'photonPersistentDisk', 'portworxVolume'],
  },
};

function inPlace(node: StructNode): readonly Field[] {
  const followers = places[node.typeName] ?? {};
  const moved = new Set(Object.values(followers).flat());
  return node.fields.flatMap((field) => {
    if (moved.has(field.name)) return [];
    return [field, ...(followers[field.name] ?? []).flatMap((name) => node.byName.get(name) ?? [])];
  });
}

function absent({ node, pointer }: Field): unknown {
  if (pointer) return null;
  switch (node.kind) {
    case 'string':
      return '';
    case 'int':
    case 'float':
      return 0;
    case 'bool':
      return false;
    case 'quantity':
      return '0';
    case 'struct':
      return shown(node, {});
    default:
      return null;
  }
}

const shownFields = (fields: readonly Field[], value: Fields) =>
  Object.fromEntries(
    fields.flatMap((field) => {
      const own = value[field.name];
      // Embedded, and without what is not set.
      if (field.node.typeName === 'meta.v1.ObjectMeta') return Object.entries(own ?? {});
      return [[goName(field.name), own === undefined || own === null ? absent(field) : shown(field.node, own)]];
    }),
  );

function shownPodSpec(node: StructNode, value: Fields): object {
  const isSecurity = ({ name }: Field) => securityFields.includes(name);
  const fields = inPlace(node).filter((field) => !isSecurity(field) && field.name !== 'serviceAccount');
  const pod = shownFields(fields, value);
  const security = shownFields(node.fields.filter(isSecurity), value);
  pod.SecurityContext = { ...security, ...(pod.SecurityContext ?? (absent({ ...securityContextOf(node), pointer: false }) as object)) };
  return pod;
}

function securityContextOf(node: StructNode): Field {
  const field = node.byName.get('securityContext');
  if (field === undefined) throw new Error('schema: a PodSpec without securityContext');
  return field;
}

function shown(node: TypeNode, value: unknown): unknown {
  if (node.kind === 'list' && Array.isArray(value)) return value.map((item) => shown(node.item, item));
  // What internal types share with the versioned ones has JSON's names there, too.
  if (node.kind !== 'struct' || node.typeName.startsWith('meta.') || typeof value !== 'object' || value === null) return value;
  return node.typeName === 'core.v1.PodSpec' ? shownPodSpec(node, value as Fields) : shownFields(inPlace(node), value as Fields);
}

/** `value`, of the table's type (`core.v1.SecurityContext`), as upstream's internal type prints it in JSON; or only some `fields` of it. */
export function internalForm(typeName: string, value: unknown, fields?: readonly string[]): unknown {
  if (value === undefined || value === null) return null;
  const node = structNode(typeName);
  if (fields === undefined) return shown(node, value);
  return shownFields(
    inPlace(node).filter(({ name }) => fields.includes(name)),
    value as Fields,
  );
}
