import { kinds, parseRuntimeConfig, RuntimeConfigError, type Serving } from '../api/index.ts';
import { ClusterError } from './cluster-error.ts';
import type { ComponentArgs } from './config.ts';
import { parseFeatureGates } from './feature-gates.ts';

function serving(text = ''): Serving {
  try {
    return parseRuntimeConfig(text, kinds);
  } catch (error) {
    if (error instanceof RuntimeConfigError) throw new ClusterError(error.message);
    throw error;
  }
}

/** What of its API the server serves, and in which encodings: --runtime-config and --feature-gates. */
export function versionOptions(args: ComponentArgs): { serves: Serving; cbor: boolean } {
  return {
    serves: serving(args['runtime-config']),
    cbor: parseFeatureGates(args['feature-gates']).isEnabled('CBORServingAndStorage'),
  };
}
