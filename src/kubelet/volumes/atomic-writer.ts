/**
 * Writes a set of files so that a reader sees all of the old or all of the new ones: they go into a new directory `..TIMESTAMP`, and
 * the link `..data`, through which every file is reached, is swapped by a rename (upstream's AtomicWriter; the layout is what
 * programs that watch their configuration rely on).
 */
import { chmod, chown, lstat, mkdir, mkdtemp, readdir, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export interface VolumeFile {
  data: Uint8Array;
  mode: number;
  /** Owner, where it is not the kubelet's. */
  uid?: number;
}

/** Files by path relative to the volume. */
export type Payload = ReadonlyMap<string, VolumeFile>;

const dataLink = '..data';

const absent = (error: NodeJS.ErrnoException): undefined => {
  if (error.code === 'ENOENT') return undefined;
  throw error;
};

/** Whether the directory holds exactly these files. */
async function holds(directory: string, payload: Payload): Promise<boolean> {
  const present = (await readdir(directory, { recursive: true, withFileTypes: true }))
    .filter((e) => e.isFile())
    .map((e) => join(e.parentPath, e.name).slice(directory.length + 1));
  if (present.length !== payload.size) return false;
  for (const path of present) {
    const wanted = payload.get(path);
    if (!wanted) return false;
    const [data, { mode }] = await Promise.all([readFile(join(directory, path)), lstat(join(directory, path))]);
    if (!data.equals(wanted.data) || (mode & 0o7777) !== wanted.mode) return false;
  }
  return true;
}

/** True when something changed. `gid`: the group that may read the files. */
export async function writeAtomically(target: string, payload: Payload, now: Date, gid?: number): Promise<boolean> {
  await mkdir(target, { recursive: true, mode: 0o755 });
  const old = await readlink(join(target, dataLink)).catch(absent);
  if (old && (await holds(join(target, old), payload))) return false;

  const stamp = now.toISOString().replace(/[-:]/g, '_').replace('T', '_').slice(0, 19);
  const fresh = await mkdtemp(join(target, `..${stamp}.`));
  await chmod(fresh, 0o755);
  if (gid !== undefined) await chown(fresh, -1, gid);
  for (const [path, { data, mode, uid }] of payload) {
    const file = join(fresh, path);
    await mkdir(dirname(file), { recursive: true, mode: 0o755 });
    await writeFile(file, data);
    // The mode that writeFile takes is subject to the umask.
    await chmod(file, mode);
    if (gid !== undefined || uid !== undefined) await chown(file, uid ?? -1, gid ?? -1);
  }
  const freshName = fresh.slice(target.length + 1);
  await symlink(freshName, join(target, '..data_tmp'));
  await rename(join(target, '..data_tmp'), join(target, dataLink));

  const tops = new Set([...payload.keys()].map((path) => path.split('/')[0] ?? ''));
  for (const top of tops) {
    await symlink(join(dataLink, top), join(target, top)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
  for (const entry of await readdir(target))
    if (!entry.startsWith('..') && !tops.has(entry)) await rm(join(target, entry), { recursive: true, force: true });
  if (old) await rm(join(target, old), { recursive: true, force: true });
  return true;
}
