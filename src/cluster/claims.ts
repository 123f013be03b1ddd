/**
 * What only one cluster of a machine can have: the host's network namespace, a subnet. A claim is a file in /run/k8ts that names its
 * holder. It is good while the holder's `k8ts up` runs or its data directory describes a cluster, and not after a reboot; any other
 * claim is stale and may be taken.
 */
import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { layoutOf } from './layout.ts';
import { isRunning, type ProcessRecord, startTicksOf } from './processes.ts';

interface Claim {
  dataDir: string;
  /** The kernel's id of this boot. */
  boot: string;
  /** The process that claimed. */
  process: Pick<ProcessRecord, 'pid' | 'startTicks'>;
}

const defaultDir = '/run/k8ts';
const bootId = () => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();

function read(file: string): Claim | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
  try {
    return JSON.parse(text);
  } catch {
    return { dataDir: '', boot: '', process: { pid: 0, startTicks: '' } };
  }
}

function isGood(claim: Claim): boolean {
  if (claim.boot !== bootId()) return false;
  return isRunning({ component: 'up', ...claim.process }) || existsSync(layoutOf(claim.dataDir).config);
}

/** True when the claim is this cluster's, now or already; false when another cluster holds it. */
export function claim(name: string, dataDir: string, dir: string = defaultDir): boolean {
  mkdirSync(dir, { recursive: true, mode: 0o711 });
  const file = join(dir, name);
  const mine = join(dir, `.${name}.${process.pid}`);
  const content: Claim = { dataDir, boot: bootId(), process: { pid: process.pid, startTicks: startTicksOf(process.pid) ?? '' } };
  writeFileSync(mine, JSON.stringify(content));
  try {
    for (;;) {
      const holder = read(file);
      if (holder && isGood(holder)) return holder.dataDir === dataDir;
      if (holder) takeAway(file, holder);
      if (linkIfFree(mine, file)) return true;
    }
  } finally {
    rmSync(mine, { force: true });
  }
}

/** Who else comes at the same moment finds the name taken: link(2) fails where rename(2) would replace. */
function linkIfFree(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Removes a stale claim, and puts back what turns out to be somebody's new one. */
function takeAway(file: string, stale: Claim): void {
  const aside = `${file}.stale.${process.pid}`;
  try {
    renameSync(file, aside);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
    throw error;
  }
  if (JSON.stringify(read(aside)) !== JSON.stringify(stale)) linkIfFree(aside, file);
  rmSync(aside, { force: true });
}

/** Gives up a claim of this cluster; another's is left alone. */
export function releaseClaim(name: string, dataDir: string, dir: string = defaultDir): void {
  const file = join(dir, name);
  if (read(file)?.dataDir === dataDir) rmSync(file, { force: true });
}
