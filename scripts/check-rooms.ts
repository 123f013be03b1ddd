/**
 * Holds the floor rule of docs/architecture.md: a room imports only rooms below it, and only their `index.ts`; no import goes in
 * a circle between rooms. Tests may import what they test against.
 */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';

const src = join(import.meta.dirname, '../src');

/** What each room may import, itself apart. `time` is below all. */
const mayImport: Record<string, readonly string[]> = {
  time: [],
  api: [],
  observability: ['api'],
  pki: [],
  store: ['api'],
  client: ['api'],
  server: ['api', 'observability', 'store', 'client', 'pki'],
  controllers: ['api', 'observability', 'client', 'pki'],
  scheduler: ['api', 'observability', 'client'],
  runtime: ['api'],
  kubelet: ['api', 'observability', 'client', 'runtime', 'pki'],
  network: ['api', 'observability', 'client'],
  kubectl: ['api', 'client'],
  helm: ['api', 'client'],
  dashboard: ['api', 'client'],
  cluster: ['api', 'observability', 'store', 'client', 'server', 'controllers', 'scheduler', 'kubelet', 'runtime', 'network', 'pki'],
  testing: ['api', 'store', 'client', 'server', 'controllers', 'scheduler', 'kubelet', 'runtime', 'cluster'],
  cli: ['api', 'client', 'cluster', 'kubectl', 'helm', 'store'],
};

/** Beside their index, what rooms let others import: for threads of their own, which should load no whole room. */
const sideDoors = new Set([join('api', 'yaml-scalars.ts')]);

const problems: string[] = [];
for (const file of globSync('**/*.ts', { cwd: src })) {
  const room = file.split(sep)[0] ?? '';
  const allowed = mayImport[room];
  if (!allowed) {
    problems.push(`${file}: unknown room ${room}`);
    continue;
  }
  if (file.endsWith('.test.ts') || /\btesting(\.ts$|[\\/])/.test(file)) continue;
  const text = readFileSync(join(src, file), 'utf8');
  for (const match of text.matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)) {
    const target = relative(src, resolve(dirname(join(src, file)), match[1] ?? ''));
    const other = target.split(sep)[0] ?? '';
    if (other === room) continue;
    if (other !== 'time' && !allowed.includes(other)) problems.push(`${file} imports ${target}: ${room} may not import ${other}`);
    else if (target !== join(other, 'index.ts') && !sideDoors.has(target))
      problems.push(`${file} imports ${target}: other rooms import only ${other}/index.ts`);
  }
  if (room === 'api' && /from 'node:|\bBuffer\b/.test(text) && !file.includes('generated'))
    problems.push(`${file}: api/ is pure and uses no Node built-ins`);
}
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exit(1);
