/**
 * Bundles the executable: one file a command chunk, so that `k8ts status` reads little and the control plane starts from a warm
 * compile cache. lmdb stays outside: it carries a native binary.
 */
import { globSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

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
  // CommonJS packages inside an ES module bundle still call require.
  banner: {
    js: "import { createRequire as k8tsRequire } from 'node:module'; const require = k8tsRequire(import.meta.url); const __filename = import.meta.filename; const __dirname = import.meta.dirname;",
  },
});

// A failed build leaves the last good one; a good one takes away what it no longer has.
for (const file of globSync('dist/**/*.js', { cwd: root })) if (!(file in result.metafile.outputs)) rmSync(join(root, file));
