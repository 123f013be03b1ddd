/**
 * A file system of its own on a block device whose writes can be made slow: a loop device over a file in memory, throttled for those
 * processes that are told. Linux and root only, with a cgroup controller for block I/O of either version.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface SlowDisk {
  path: string;
  /** From now on the process is one of those that can be slowed down. */
  admit(pid: number): void;
  /** Writes that these processes may do in a second; Infinity, as in the beginning, for as many as they can. */
  throttle(writesPerSecond: number): void;
  unmount(): void;
}

const v1 = '/sys/fs/cgroup/blkio';
const v2 = '/sys/fs/cgroup';
const isV1 = existsSync(`${v1}/blkio.throttle.write_iops_device`);
const isV2 = existsSync(`${v2}/cgroup.controllers`) && readFileSync(`${v2}/cgroup.controllers`, 'utf8').split(/\s/).includes('io');

export const canSlowDown = process.platform === 'linux' && process.getuid?.() === 0 && existsSync('/dev/loop-control') && (isV1 || isV2);

function run(command: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr || error?.message}`);
}

/** `sizeBytes` are only taken as they are written. */
export function mountSlowDisk(sizeBytes: number): SlowDisk {
  const path = mkdtempSync(join(tmpdir(), 'k8ts-slow-disk-'));
  const image = join(mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'k8ts-slow-disk-')), 'image');
  try {
    writeFileSync(image, '');
    truncateSync(image, sizeBytes);
    // Without a journal, whose writes would be the kernel's own and never slow; nothing that dies here takes the kernel along.
    run('mkfs.ext4', '-q', '-m', '0', '-O', '^has_journal', '-E', 'nodiscard,lazy_itable_init=1', image);
    run('mount', '-o', 'loop', image, path);
  } catch (error) {
    rmdirSync(path);
    throw error;
  } finally {
    // The mounted device has it open: it goes with it, whoever unmounts it.
    rmSync(join(image, '..'), { recursive: true });
  }
  const { dev } = statSync(path);
  // Linux's encoding of a device number (makedev(3)).
  const device = `${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`;
  const group = join(isV1 ? v1 : v2, path.slice(path.lastIndexOf('/') + 1));
  if (!isV1) writeFileSync(`${v2}/cgroup.subtree_control`, '+io');
  mkdirSync(group);
  return {
    path,
    admit: (pid) => writeFileSync(join(group, 'cgroup.procs'), String(pid)),
    throttle: (writesPerSecond) => {
      const isOn = Number.isFinite(writesPerSecond);
      if (isV1) writeFileSync(join(group, 'blkio.throttle.write_iops_device'), `${device} ${isOn ? writesPerSecond : 0}`);
      else writeFileSync(join(group, 'io.max'), `${device} wiops=${isOn ? writesPerSecond : 'max'}`);
    },
    unmount: () => {
      run('umount', path);
      rmdirSync(path);
      rmdirSync(group);
    },
  };
}
