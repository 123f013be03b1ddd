/** What tests of flags that name certificates need: authorities of their own, and files in a directory that goes with the test file. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { createCertificateAuthority } from '../../pki/index.ts';

export const authority = (commonName: string) =>
  createCertificateAuthority({ commonName, notBefore: new Date('2026-01-01'), notAfter: new Date('2036-01-01') });

/** A new directory, which is removed after the tests, and a maker of files in it that answers their paths. */
export function temporaryFiles(prefix: string): { dir: string; file: (name: string, text: string) => string } {
  const dir = mkdtempSync(join(tmpdir(), prefix));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  const file = (name: string, text: string) => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };
  return { dir, file };
}
