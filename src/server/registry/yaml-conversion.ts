/** YAML without standing still: what takes long is converted on a thread aside, one text after another, in bounded memory. */
import { Worker } from 'node:worker_threads';
import { tooDeepYaml } from './yaml-depth.ts';
import type { ConvertedYaml } from './yaml-to-json.ts';

/** Characters that take some 50 ms; a thread takes as long to begin. */
const longText = 100_000;
/** A text of this server's greatest size takes it all only where it has a million values, more than an object may have bytes. */
const threadLimits = { maxOldGenerationSizeMb: 768, stackSizeMb: 16 };

/** The thread's program. Integers beyond a double's are written as the API writes them. */
const program = `
  const { parentPort, workerData } = require('node:worker_threads');
  BigInt.prototype.toJSON = function () { return JSON.rawJSON(String(this)); };
  import(workerData.place).then(({ convertYaml }) => {
    try {
      parentPort.postMessage({ converted: convertYaml(workerData.text) });
    } catch (error) {
      parentPort.postMessage({ problem: error.message, isTooDeep: error instanceof RangeError });
    }
  });
`;

/** What is wrong with a text, in Go's words. */
export class YamlProblem extends Error {}

type Told = { converted: ConvertedYaml } | { problem: string; isTooDeep: boolean };

const library = () => import('./yaml-to-json.ts');

async function convertAside(text: string, signal: AbortSignal): Promise<ConvertedYaml> {
  signal.throwIfAborted();
  const { place } = await library();
  const { promise, resolve, reject } = Promise.withResolvers<Told>();
  const thread = new Worker(program, { eval: true, workerData: { place, text }, resourceLimits: threadLimits });
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  thread.once('message', resolve);
  thread.once('exit', (code) => reject(new Error(`the conversion of YAML ended with code ${code}`)));
  thread.once('error', (error: Error & { code?: string }) =>
    reject(error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? new YamlProblem('yaml: document contains too many values') : error),
  );
  try {
    const told = await promise;
    if ('converted' in told) return told.converted;
    throw new YamlProblem(told.isTooDeep ? `yaml: ${tooDeepYaml}` : told.problem);
  } finally {
    signal.removeEventListener('abort', onAbort);
    await thread.terminate();
  }
}

let queue: Promise<unknown> = Promise.resolve();

/** @throws YamlProblem, or the signal's reason. `signal`: asked for only where a text is long. */
export async function toJson(text: string, signal: () => AbortSignal): Promise<ConvertedYaml> {
  if (text.length > longText) {
    const mine = queue.then(() => convertAside(text, signal()));
    queue = mine.catch(() => {});
    return mine;
  }
  const { convertYaml } = await library();
  try {
    return convertYaml(text);
  } catch (error) {
    throw new YamlProblem(error instanceof RangeError ? `yaml: ${tooDeepYaml}` : (error as Error).message); // it throws nothing else
  }
}
