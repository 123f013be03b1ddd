/** How the package is bundled: what is delivered, and what benchmarks measure. */
import { readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild';

export const root = join(import.meta.dirname, '..');

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

/** What esbuild leaves as it is in comments and regular expressions. One such letter, and V8 keeps the whole text in two bytes a letter. */
function escapeLetters(file: string): void {
  const text = readFileSync(file, 'utf8');
  const escaped = text.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  if (escaped !== text) writeFileSync(file, escaped);
}

/** Writes one file for each command chunk into `outdir`; answers what has become what. */
export async function bundle(entryPoints: Record<string, string>, outdir: string): Promise<Metafile> {
  const options = {
    absWorkingDir: root,
    metafile: true,
    entryPoints,
    outdir,
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
  } as const satisfies BuildOptions;
  const { metafile } = await build(options);
  for (const file of Object.keys(metafile.outputs)) escapeLetters(join(root, file));
  return metafile;
}
