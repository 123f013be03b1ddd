import type { ServerStorageVersion, StorageVersionCondition, StorageVersionStatus } from '../generated/apiserverinternal.v1alpha1.ts';

/** The version that all servers encode in, where they agree. */
export function commonVersion(servers: readonly ServerStorageVersion[]): string | undefined {
  const [first] = servers;
  return servers.every((s) => s.encodingVersion === first?.encodingVersion) ? first?.encodingVersion : undefined;
}

const type = 'AllEncodingVersionsEqual';

/** What servers say, with what follows of it: the version that they agree in, and the condition that tells whether there is one. */
export function withServers(
  status: StorageVersionStatus | undefined,
  servers: ServerStorageVersion[],
  now: string,
  generation?: number,
): StorageVersionStatus {
  const common = commonVersion(servers);
  const before = status?.conditions?.find((condition) => condition.type === type);
  const isSet = common !== undefined;
  // Servers that have gone over to another version together are a transition, too.
  const isSame =
    before?.status === (isSet ? 'True' : 'False') &&
    (status?.commonEncodingVersion === undefined || !isSet || status.commonEncodingVersion === common);
  const condition: StorageVersionCondition = {
    type,
    status: isSet ? 'True' : 'False',
    ...(generation ? { observedGeneration: generation } : {}),
    lastTransitionTime: (isSame ? before?.lastTransitionTime : undefined) ?? now,
    reason: isSet ? 'CommonEncodingVersionSet' : 'CommonEncodingVersionUnset',
    message: isSet ? 'Common encoding version set' : 'Common encoding version unset',
  };
  const others = (status?.conditions ?? []).filter((each) => each.type !== type);
  return { storageVersions: servers, ...(isSet ? { commonEncodingVersion: common } : {}), conditions: [...others, condition] };
}
