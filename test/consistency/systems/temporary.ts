import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export function temporaryDirectory(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'k8ts-consistency-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
