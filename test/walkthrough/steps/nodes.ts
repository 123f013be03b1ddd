import { expect, it } from 'vitest';
import { type Node, parseQuantity, quantityToNumber } from '../../../src/api/index.ts';
import { json, k, walk } from '../walk.ts';

export function nodeSteps(): void {
  it('lists the node under each of its names', async () => {
    const lines = await Promise.all(['no', 'node', 'nodes', 'nodes.v1.'].map((name) => k(`get ${name} --no-headers`)));
    for (const line of lines) expect(line.split(/\s+/).slice(0, 3)).toEqual([walk.node, 'Ready', 'control-plane']);
  });

  it('shows addresses and versions with -o wide', async () => {
    const [header = '', row = ''] = (await k('get nodes -o wide')).split('\n');
    expect(header.split(/\s{2,}/).map((c) => c.trim())).toEqual(
      'NAME,STATUS,ROLES,AGE,VERSION,INTERNAL-IP,EXTERNAL-IP,OS-IMAGE,KERNEL-VERSION,CONTAINER-RUNTIME'.split(','),
    );
    expect(row).toContain(walk.nodeAddress);
    expect(row).toMatch(/containerd:\/\/\d/);
  });

  it('tells capacity, conditions, addresses, images, pod range and labels', async () => {
    const node = await json<Node>(`get node ${walk.node}`);
    const { status } = node;
    const conditions = Object.fromEntries(status?.conditions?.map((c) => [c.type, `${c.status} ${c.reason}`]) ?? []);
    expect(conditions).toMatchObject({
      Ready: 'True KubeletReady',
      MemoryPressure: 'False KubeletHasSufficientMemory',
      DiskPressure: 'False KubeletHasNoDiskPressure',
      PIDPressure: 'False KubeletHasSufficientPID',
    });
    expect(status?.addresses?.map((a) => a.type)).toEqual(expect.arrayContaining(['InternalIP', 'Hostname']));
    for (const resource of ['cpu', 'memory', 'pods', 'ephemeral-storage'])
      expect(quantityToNumber(parseQuantity(String(status?.capacity?.[resource]))), resource).toBeGreaterThan(0);
    expect(Object.keys(status?.allocatable ?? {})).toEqual(Object.keys(status?.capacity ?? {}));
    expect(node.spec.podCIDR).toBe('10.244.0.0/24');
    expect(node.metadata.labels).toMatchObject({
      'kubernetes.io/hostname': walk.node,
      'kubernetes.io/os': 'linux',
      'kubernetes.io/arch': expect.stringMatching(/amd64|arm64/),
      'node-role.kubernetes.io/control-plane': '',
    });
    expect(status?.nodeInfo).toMatchObject({ operatingSystem: 'linux', kubeletVersion: expect.stringMatching(/^v1\.36/) });
    expect(status?.daemonEndpoints?.kubeletEndpoint?.Port).toBeGreaterThan(0);
    expect(await k(`get node ${walk.node} -o yaml`)).toMatch(/^apiVersion: v1\nkind: Node\nmetadata:/);
  });

  it('describes the node with what is allocated on it', async () => {
    const text = await k(`describe node ${walk.node}`);
    for (const heading of [
      'Conditions:',
      'Addresses:',
      'Capacity:',
      'Allocatable:',
      'System Info:',
      'Non-terminated Pods:',
      'Allocated resources:',
    ])
      expect(text).toContain(heading);
  });

  it('keeps the node alive by its Lease', async () => {
    expect(await k(`-n kube-node-lease get lease ${walk.node} -o jsonpath={.spec.holderIdentity}`)).toBe(walk.node);
  });
}
