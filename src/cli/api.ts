import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { Command, Option } from 'commander';
import type { FileFormat } from '../api/index.ts';

interface ConvertOptions {
  filename: string;
  from?: FileFormat;
  output: FileFormat;
  toVersion?: string;
}

// Of api/'s formats; commands are declared before anything is loaded.
const formats = ['json', 'yaml', 'protobuf'];

/** A file that could not be converted: where, and what. */
export class ConvertFailure extends Error {}

async function convert({ filename, from, output, toVersion }: ConvertOptions): Promise<void> {
  const { ConversionError, convertDocuments } = await import('../api/index.ts');
  const bytes = filename === '-' ? await buffer(process.stdin) : await readFile(filename);
  try {
    process.stdout.write(convertDocuments(bytes, { from, to: output, toVersion }));
  } catch (error) {
    if (error instanceof ConversionError) throw new ConvertFailure(`${filename === '-' ? 'STDIN' : filename}: ${error.message}`);
    throw error;
  }
}

function convertCommand(): Command {
  return new Command('convert')
    .description('write API objects in another encoding or version; needs no cluster')
    .requiredOption('-f, --filename <file>', 'what to read; - is the standard input')
    .addOption(new Option('--from <format>', 'its encoding; default: what it looks like').choices(formats))
    .addOption(new Option('-o, --output <format>', 'the encoding to write').choices(formats).default('yaml'))
    .option('--to-version <group/version>', "the version to write, e.g. apps/v1; default: each object's own")
    .action(convert);
}

export function apiCommand(): Command {
  return new Command('api').description('work with API objects, without a cluster').addCommand(convertCommand());
}
