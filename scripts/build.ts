/** Bundles the executable: one file a command chunk, so that `k8ts status` reads little and the control plane starts from a warm compile cache. */
import { globSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { bundle, root } from './bundle.ts';

const { outputs } = await bundle({ k8ts: join(root, 'src/cli/main.ts') }, join(root, 'dist'));

// A failed build leaves the last good one. A cluster that runs goes on loading what it was built of: that is taken away a day later.
const yesterday = Date.now() - 24 * 3600 * 1000;
for (const file of globSync('dist/**/*.js', { cwd: root }))
  if (!(file in outputs) && statSync(join(root, file)).mtimeMs < yesterday) rmSync(join(root, file));
