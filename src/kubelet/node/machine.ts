/** What the machine is: read once at start from /proc, /sys and statfs. */
import { readFile, statfs } from 'node:fs/promises';
import { availableParallelism, arch as nodeArch, release } from 'node:os';

export interface MachineInfo {
  cpus: number;
  memoryBytes: number;
  swapBytes: number;
  /** Of the filesystem that the kubelet's directory is on. */
  diskBytes: number;
  machineID: string;
  systemUUID: string;
  bootID: string;
  kernelVersion: string;
  osImage: string;
  /** `linux`. */
  operatingSystem: string;
  /** As Go names it: amd64, arm64. */
  architecture: string;
  hugepages: Readonly<Record<string, number>>;
}

const goArchitectures: Record<string, string> = { x64: 'amd64', ia32: '386' };

async function line(path: string): Promise<string> {
  // Not every machine has every one of these files; the API takes an empty string.
  return (await readFile(path, 'utf8').catch(() => '')).trim();
}

/** A value of /proc/meminfo in bytes. */
export function memInfo(text: string, key: string): number {
  const match = new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(text);
  return match ? Number(match[1]) * 1024 : 0;
}

export async function readMachine(rootDir: string): Promise<MachineInfo> {
  const [meminfo, osRelease, machineID, systemUUID, bootID, disk] = await Promise.all([
    line('/proc/meminfo'),
    line('/etc/os-release'),
    line('/etc/machine-id'),
    line('/sys/class/dmi/id/product_uuid'),
    line('/proc/sys/kernel/random/boot_id'),
    statfs(rootDir),
  ]);
  const pretty = /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(osRelease);
  return {
    cpus: availableParallelism(),
    memoryBytes: memInfo(meminfo, 'MemTotal'),
    swapBytes: memInfo(meminfo, 'SwapTotal'),
    diskBytes: disk.blocks * disk.bsize,
    machineID,
    systemUUID: systemUUID.toLowerCase() || machineID,
    bootID,
    kernelVersion: release(),
    osImage: pretty?.[1] ?? 'Linux',
    operatingSystem: 'linux',
    architecture: goArchitectures[nodeArch()] ?? nodeArch(),
    hugepages: {},
  };
}

/** A machine that does not exist, for simulated nodes. */
export function hollowMachine(name: string, given: Partial<Pick<MachineInfo, 'cpus' | 'memoryBytes' | 'diskBytes'>> = {}): MachineInfo {
  return {
    cpus: 4,
    memoryBytes: 16 * 2 ** 30,
    diskBytes: 100 * 2 ** 30,
    swapBytes: 0,
    machineID: name,
    systemUUID: name,
    bootID: name,
    kernelVersion: 'hollow',
    osImage: 'hollow',
    operatingSystem: 'linux',
    architecture: goArchitectures[nodeArch()] ?? nodeArch(),
    hugepages: {},
    ...given,
  };
}
