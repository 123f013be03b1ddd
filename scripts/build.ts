/**
 * Bundles the executable: one file a command chunk, so that `k8ts status` reads little and the control plane starts from a warm
 * compile cache. lmdb stays outside: it carries a native binary.
 */
import { globSync, rmSync, statSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { build, type Plugin } from 'esbuild';

/**
 * An import of node:http reads all of its exports, and one of them, WebSocket, loads a whole HTTP client when it is read (20 ms and
 * 10 MB a process). The bundle takes what it needs by name.
 */
const leanHttp: Plugin = {
  name: 'lean-http',
  setup(bundle) {
    bundle.onResolve({ filter: /^node:http$/ }, ({ path }) => ({ path, namespace: 'lean' }));
    const names = Object.keys(Object.getOwnPropertyDescriptors(http)).filter(
      (name) => !['WebSocket', 'CloseEvent', 'MessageEvent'].includes(name),
    );
    bundle.onLoad({ filter: /.*/, namespace: 'lean' }, ({ path }) => ({
      contents: `const it = process.getBuiltinModule(${JSON.stringify(path)});\nexport default it;\nexport const { ${names.join(', ')} } = it;`,
    }));
  },
};

const root = join(import.meta.dirname, '..');
const result = await build({
  absWorkingDir: root,
  metafile: true,
  entryPoints: { k8ts: join(root, 'src/cli/main.ts') },
  outdir: join(root, 'dist'),
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node22',
  packages: 'bundle',
  // lmdb carries a native binary; x509 is loaded only where a certificate is made, and loses its exports when it is bundled.
  external: ['lmdb', '@peculiar/x509', 'reflect-metadata'],
  loader: { '.schema': 'text' },
  sourcemap: false,
  minifySyntax: true,
  chunkNames: 'chunks/[name]-[hash]',
  logLevel: 'warning',
  plugins: [leanHttp],
  // CommonJS packages inside an ES module bundle still call require.
  banner: {
    js: "import { createRequire as k8tsRequire } from 'node:module'; const require = k8tsRequire(import.meta.url); const __filename = import.meta.filename; const __dirname = import.meta.dirname;",
  },
});

// A failed build leaves the last good one. A cluster that runs goes on loading what it was built of: that is taken away a day later.
const yesterday = Date.now() - 24 * 3600 * 1000;
for (const file of globSync('dist/**/*.js', { cwd: root }))
  if (!(file in result.metafile.outputs) && statSync(join(root, file)).mtimeMs < yesterday) rmSync(join(root, file));
