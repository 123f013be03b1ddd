import { expect, it } from 'vitest';
import { runWithInput } from './run-with-input.ts';

it('gives a program its input', async () => {
  await runWithInput(['grep', '-q', 'needle'], 'hay\nneedle\n');
});

it('tells what a program complains of, also one that ends without reading', async () => {
  const run = runWithInput(['sh', '-c', 'exec 0<&-; echo no such table >&2; exit 3'], 'x'.repeat(4 * 1024 * 1024));
  await expect(run).rejects.toThrow('sh failed (exit code 3): no such table');
  await expect(runWithInput(['/nonexistent/program'], '')).rejects.toThrow('ENOENT');
});
