import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { claim, releaseClaim } from './claims.ts';

describe('claims', () => {
  let dir = '';
  const cluster = (name: string) => {
    mkdirSync(join(dir, name), { recursive: true });
    writeFileSync(join(dir, name, 'cluster.json'), '{}');
    return join(dir, name);
  };
  const claims = () => join(dir, 'claims');
  /** As if the process that claimed had ended, or another kernel had been running. */
  const change = (name: string, part: object) => {
    const file = join(claims(), name);
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...part }));
  };
  const ended = { process: { pid: 1, startTicks: 'never' } };

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'k8ts-claims-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('belong to one cluster until it gives them up', () => {
    const [a, b] = [cluster('a'), cluster('b')];
    expect(claim('host-network', a, claims())).toBe(true);
    expect(claim('host-network', a, claims())).toBe(true);
    expect(claim('host-network', b, claims())).toBe(false);
    releaseClaim('host-network', b, claims());
    expect(claim('host-network', b, claims())).toBe(false);
    releaseClaim('host-network', a, claims());
    expect(claim('host-network', b, claims())).toBe(true);
    expect(readdirSync(claims())).toEqual(['host-network']);
  });

  it('hold while their `up` runs, and after it while the cluster is there', () => {
    const [a, b] = [join(dir, 'a'), cluster('b')];
    claim('x', a, claims());
    expect(claim('x', b, claims())).toBe(false);
    cluster('a');
    change('x', ended);
    expect(claim('x', b, claims())).toBe(false);
  });

  it.each([
    ['an `up` that died before there was a cluster', ended, false],
    ['another boot', { boot: 'another' }, true],
  ])('of %s are stale', (_, part, exists) => {
    const b = cluster('b');
    if (exists) cluster('a');
    claim('x', join(dir, 'a'), claims());
    change('x', part);
    expect(claim('x', b, claims())).toBe(true);
    expect(readdirSync(claims())).toEqual(['x']);
  });

  it('that are unreadable are stale', () => {
    mkdirSync(claims());
    writeFileSync(join(claims(), 'x'), 'garbage');
    expect(claim('x', cluster('b'), claims())).toBe(true);
  });
});
