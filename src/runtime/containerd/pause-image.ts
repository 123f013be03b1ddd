/**
 * The sandbox ("pause") image, built here so that starting a cluster needs no registry: catatonit (Debian: statically linked,
 * made for this; `-P` waits and reaps) in a one-layer image, as an OCI layout in a tar that `ctr images import` reads.
 */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { arch } from 'node:os';
import { type TarEntry, tar } from './tar.ts';

export const pauseImageName = 'k8ts.dev/pause:1';

const architectures: Record<string, string> = { x64: 'amd64', arm64: 'arm64', ppc64: 'ppc64le', s390x: 's390x' };

interface Blob {
  mediaType: string;
  bytes: Buffer;
}

const digestOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const descriptorOf = ({ mediaType, bytes }: Blob) => ({ mediaType, digest: `sha256:${digestOf(bytes)}`, size: bytes.length });
const json = (mediaType: string, value: unknown): Blob => ({ mediaType, bytes: Buffer.from(JSON.stringify(value)) });

export function pauseImageArchive(program: Buffer): Buffer {
  const layer: Blob = {
    mediaType: 'application/vnd.oci.image.layer.v1.tar',
    bytes: tar([{ name: 'pause', mode: 0o755, bytes: program }]),
  };
  const config = json('application/vnd.oci.image.config.v1+json', {
    architecture: architectures[arch()] ?? arch(),
    os: 'linux',
    config: { Entrypoint: ['/pause', '-P'], User: '65535:65535' },
    rootfs: { type: 'layers', diff_ids: [`sha256:${digestOf(layer.bytes)}`] },
  });
  const manifest = json('application/vnd.oci.image.manifest.v1+json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: descriptorOf(config),
    layers: [descriptorOf(layer)],
  });
  const index = {
    schemaVersion: 2,
    manifests: [
      {
        ...descriptorOf(manifest),
        annotations: { 'io.containerd.image.name': pauseImageName, 'org.opencontainers.image.ref.name': pauseImageName },
      },
    ],
  };
  const entries: TarEntry[] = [
    { name: 'oci-layout', mode: 0o644, bytes: Buffer.from('{"imageLayoutVersion":"1.0.0"}') },
    { name: 'index.json', mode: 0o644, bytes: Buffer.from(JSON.stringify(index)) },
    ...[layer, config, manifest].map((blob) => ({ name: `blobs/sha256/${digestOf(blob.bytes)}`, mode: 0o644, bytes: blob.bytes })),
  ];
  return tar(entries);
}

/** Writes the image's archive to `file`. Throws where catatonit is not installed. */
export async function writePauseImage(file: string, program = '/usr/bin/catatonit'): Promise<void> {
  await writeFile(file, pauseImageArchive(await readFile(program)));
}
