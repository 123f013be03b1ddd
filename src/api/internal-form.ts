/** How upstream's messages show a struct: as its internal types have it, without JSON's names and with what is not set. */
import type { Field, StructNode, TypeNode } from './schema/node.ts';
import { structNode } from './schema/table.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Words that Go writes large. */
const initialism =
  /^(api|aws|cel|csi|dns|fc|fs|gce|gid|gmsa|grpc|http|ip|iqn|iscsi|nfs|os|pd|pkix|qos|rbd|se(?=Linux)|ssl|tcp|tty|uid)(?=[A-Z]|$)/;
const otherNames: Readonly<Record<string, string>> = {
  cephfs: 'CephFS',
  chapAuthDiscovery: 'DiscoveryCHAPAuth',
  chapAuthSession: 'SessionCHAPAuth',
  cidr: 'CIDR',
  cidrs: 'CIDRs',
  diskURI: 'DataDiskURI',
  ips: 'IPs',
  lastState: 'LastTerminationState',
  pdID: 'PdID',
  storageos: 'StorageOS',
  tls: 'TLS',
  ttlSecondsAfterFinished: 'TTLSecondsAfterFinished',
  wwids: 'WWIDs',
};

/** Fields that the internal type calls otherwise. */
const names: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'resource.v1.DeviceAttribute': {
    int: 'IntValue',
    bool: 'BoolValue',
    string: 'StringValue',
    version: 'VersionValue',
    ints: 'IntValues',
    bools: 'BoolValues',
    strings: 'StringValues',
    versions: 'VersionValues',
  },
  'core.v1.GlusterfsPersistentVolumeSource': { endpoints: 'EndpointsName' },
  'core.v1.GlusterfsVolumeSource': { endpoints: 'EndpointsName' },
  'core.v1.RBDPersistentVolumeSource': { monitors: 'CephMonitors', image: 'RBDImage', pool: 'RBDPool', user: 'RadosUser' },
  'core.v1.RBDVolumeSource': { monitors: 'CephMonitors', image: 'RBDImage', pool: 'RBDPool', user: 'RadosUser' },
};

const goName = (name: string) =>
  otherNames[name] ?? name.replace(initialism, (word) => word.toUpperCase()).replace(/^[a-z]/, (first) => first.toUpperCase());

/** What the internal PodSpec keeps in its security context, ahead of what is there for JSON too. */
const securityFields = ['hostNetwork', 'hostPID', 'hostIPC', 'shareProcessNamespace', 'hostUsers'];

/** Fields that stand elsewhere in the internal type: each is followed by those after it. */
const places: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  'core.v1.PodSpec': { subdomain: ['setHostnameAsFQDN'], priority: ['preemptionPolicy'], runtimeClassName: ['overhead'] },
  'core.v1.PodSecurityContext': { fsGroup: ['fsGroupChangePolicy'] },
  'core.v1.Volume': { rbd: ['quobyte'] },
  'batch.v1.JobSpec': { completions: ['podFailurePolicy', 'successPolicy'] },
  'storage.v1.CSIDriverSpec': { attachRequired: ['fsGroupPolicy'] },
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

const shownFields = (typeName: string, fields: readonly Field[], value: Fields) =>
  Object.fromEntries(
    fields.flatMap((field) => {
      const own = value[field.name];
      // Embedded, and without what is not set.
      if (field.node.typeName === 'meta.v1.ObjectMeta') return Object.entries(shown(field.node, own ?? {}) as object);
      const name = names[typeName]?.[field.name] ?? goName(field.name);
      return [[name, own === undefined || own === null ? absent(field) : shown(field.node, own)]];
    }),
  );

function shownPodSpec(node: StructNode, value: Fields): object {
  const isSecurity = ({ name }: Field) => securityFields.includes(name);
  const fields = inPlace(node).filter((field) => !isSecurity(field) && field.name !== 'serviceAccount');
  const pod = shownFields(node.typeName, fields, value);
  const security = shownFields(node.typeName, node.fields.filter(isSecurity), value);
  pod.SecurityContext = { ...security, ...(pod.SecurityContext ?? (absent({ ...securityContextOf(node), pointer: false }) as object)) };
  return pod;
}

function securityContextOf(node: StructNode): Field {
  const field = node.byName.get('securityContext');
  if (field === undefined) throw new Error('schema: a PodSpec without securityContext');
  return field;
}

/** A map as Go prints it, in the order of its keys. */
export const sortedMap = <T>(map: Readonly<Record<string, T>> | undefined): Record<string, T> | null =>
  map === undefined ? null : Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));

function shown(node: TypeNode, value: unknown): unknown {
  // What an absent list and an empty one are to Go is lost in decoding; nearly all were absent.
  if (node.kind === 'list' && Array.isArray(value)) return value.length === 0 ? null : value.map((item) => shown(node.item, item));
  if (typeof value !== 'object' || value === null) return value;
  const fields = value as Fields;
  if (node.kind === 'map')
    return sortedMap(Object.fromEntries(Object.entries(fields).map(([key, item]) => [key, shown(node.value, item)])));
  if (node.kind !== 'struct') return value;
  // What internal types share with the versioned ones has JSON's names there, too.
  if (node.typeName.startsWith('meta.'))
    return Object.fromEntries(
      node.fields.flatMap(({ name, node }) => (fields[name] === undefined ? [] : [[name, shown(node, fields[name])]])),
    );
  return node.typeName === 'core.v1.PodSpec' ? shownPodSpec(node, fields) : shownFields(node.typeName, inPlace(node), fields);
}

/** `value`, of the table's type (`core.v1.SecurityContext`), as upstream's internal type prints it in JSON; or only some `fields` of it. */
export function internalForm(typeName: string, value: unknown, fields?: readonly string[]): unknown {
  if (value === undefined || value === null) return null;
  const node = structNode(typeName);
  if (fields === undefined) return shown(node, value);
  return shownFields(
    typeName,
    inPlace(node).filter(({ name }) => fields.includes(name)),
    value as Fields,
  );
}
