/**
 * Container images for tests, made from what Debian's packages put on this machine: a root folder with programs and the shared
 * libraries they need, as one layer.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';

export interface ImageRecipe {
  /** Programs of this machine, by their place in the image: `{ '/usr/bin/redis-server': '/usr/bin/redis-server' }`. */
  programs: Readonly<Record<string, string>>;
  /** Other files' contents by their place. */
  files?: Readonly<Record<string, string>>;
  /** Folders copied whole, by their place. */
  folders?: Readonly<Record<string, string>>;
  entrypoint: readonly string[];
  command?: readonly string[];
  environment?: Readonly<Record<string, string>>;
  user?: string;
}

export interface Image {
  layer: Buffer;
  config: Buffer;
  manifest: Buffer;
}

export const mediaTypes = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
} as const;

export const digestOf = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** The shared libraries that a program loads, the loader among them; none for a static one. */
function librariesOf(program: string): string[] {
  let out: string;
  try {
    out = execFileSync('ldd', [program], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return []; // "not a dynamic executable"
  }
  return [...out.matchAll(/(?:=>\s*)?(\/\S+)\s+\(0x/g)].map((m) => m[1] ?? '');
}

function put(root: string, place: string, source: string): void {
  const target = join(root, place);
  mkdirSync(dirname(target), { recursive: true });
  cpSync(realpathSync(source), target);
}

export function buildImage(recipe: ImageRecipe): Image {
  const root = mkdtempSync(join(tmpdir(), 'k8ts-image-'));
  try {
    for (const dir of ['tmp', 'etc', 'proc', 'sys', 'dev', 'run', 'root', 'var/log', 'var/run', 'bin'])
      mkdirSync(join(root, dir), { recursive: true });
    // Every image has a shell and the usual tools, as those on a registry do.
    put(root, '/bin/busybox', '/bin/busybox');
    const applets = execFileSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).trim().split('\n');
    for (const applet of applets) if (applet !== 'busybox') symlinkSync('busybox', join(root, 'bin', applet));
    for (const [place, source] of Object.entries(recipe.programs)) {
      put(root, place, source);
      for (const library of librariesOf(source)) if (!existsSync(join(root, library))) put(root, library, library);
    }
    for (const [place, source] of Object.entries(recipe.folders ?? {})) cpSync(source, join(root, place), { recursive: true });
    const files = {
      '/etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n',
      '/etc/group': 'root:x:0:\nnogroup:x:65534:\n',
      ...recipe.files,
    };
    for (const [place, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, place)), { recursive: true });
      writeFileSync(join(root, place), text);
    }
    return imageOf(root, recipe);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function imageOf(root: string, recipe: ImageRecipe): Image {
  const layerFile = `${root}.tar`;
  // The same content gives the same digest, whenever it is built.
  execFileSync('tar', ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner', '-C', root, '-cf', layerFile, '.']);
  const layer = readFileSync(layerFile);
  rmSync(layerFile);
  const config = Buffer.from(
    JSON.stringify({
      architecture: { x64: 'amd64', arm64: 'arm64' }[process.arch as 'x64' | 'arm64'],
      os: 'linux',
      config: {
        Entrypoint: recipe.entrypoint,
        ...(recipe.command ? { Cmd: recipe.command } : {}),
        ...(recipe.user ? { User: recipe.user } : {}),
        Env: Object.entries({ PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...recipe.environment }).map(
          ([k, v]) => `${k}=${v}`,
        ),
        WorkingDir: '/',
      },
      rootfs: { type: 'layers', diff_ids: [digestOf(layer)] },
    }),
  );
  const descriptor = (mediaType: string, bytes: Buffer) => ({ mediaType, digest: digestOf(bytes), size: bytes.length });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config: descriptor(mediaTypes.config, config),
      layers: [descriptor(mediaTypes.layer, layer)],
    }),
  );
  return { layer, config, manifest };
}

/** Writes an image as a docker-save archive under a name, for `k8ts load`. */
export function saveImage(image: Image, name: string, file: string): void {
  const dir = mkdtempSync(join(tmpdir(), 'k8ts-save-'));
  try {
    writeFileSync(join(dir, 'layer.tar'), image.layer);
    writeFileSync(join(dir, 'config.json'), image.config);
    writeFileSync(join(dir, 'manifest.json'), JSON.stringify([{ Config: 'config.json', RepoTags: [name], Layers: ['layer.tar'] }]));
    execFileSync('tar', ['-C', dir, '-cf', file, 'manifest.json', 'config.json', 'layer.tar']);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  if (!existsSync(file)) throw new Error(`${basename(file)} was not written`);
}
