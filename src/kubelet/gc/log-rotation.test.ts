import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { rotateLog } from './log-rotation.ts';

describe('a log that grows', () => {
  let dir: string;
  let log: string;
  const limits = { maxBytes: 10, maxFiles: 3 };
  const at = (second: number) => new Date(Date.UTC(2026, 0, 2, 15, 4, second));
  const rotate = (second: number, reopen = async () => writeFileSync(log, '')) => rotateLog(log, limits, at(second), reopen);
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'k8ts-rotate-'));
    log = join(dir, '0.log');
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('is moved aside at its limit, not before', async () => {
    writeFileSync(log, 'short');
    await rotate(1);
    expect(readdirSync(dir)).toEqual(['0.log']);
    writeFileSync(log, 'long enough');
    await rotate(2);
    expect(readdirSync(dir)).toEqual(['0.log', '0.log.20260102-150402']);
    expect(readFileSync(log, 'utf8')).toBe('');
  });

  it('keeps as many files as it may, all but the newest two compressed', async () => {
    for (const second of [1, 2, 3, 4]) {
      writeFileSync(log, `written before ${second}`);
      await rotate(second);
    }
    expect(readdirSync(dir)).toEqual(['0.log', '0.log.20260102-150403.gz', '0.log.20260102-150404']);
    expect(gunzipSync(readFileSync(join(dir, '0.log.20260102-150403.gz'))).toString()).toBe('written before 3');
  });

  it('removes what a killed kubelet left half done, and leaves other logs alone', async () => {
    for (const name of ['0.log.20260102-150401', '0.log.20260102-150401.gz', '0.log.20260102-150402.gz.tmp', '1.log.20260102-150401'])
      writeFileSync(join(dir, name), name);
    writeFileSync(log, 'long enough');
    await rotate(5);
    expect(readdirSync(dir)).toEqual(['0.log', '0.log.20260102-150401.gz', '0.log.20260102-150405', '1.log.20260102-150401']);
  });

  it('is put back where the runtime does not begin another', async () => {
    writeFileSync(log, 'long enough');
    const refused = rotate(1, () => Promise.reject(new Error('container is not running')));
    await expect(refused).rejects.toThrow('container is not running');
    expect(readdirSync(dir)).toEqual(['0.log']);
    expect(readFileSync(log, 'utf8')).toBe('long enough');
  });
});
