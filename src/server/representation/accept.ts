/** Content negotiation: which of the client's wishes in its Accept header the server can meet. */
import { errors } from '../../api/index.ts';

export type Encoding = 'json' | 'yaml' | 'protobuf';

export interface Representation {
  encoding: Encoding;
  mediaType: string;
  /** The form that the client wants objects in, where not their own. */
  as?: { kind: 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList'; version: 'v1' | 'v1beta1' };
}

/** Parsed `type/subtype;key=value` clauses in order of preference. */
export function parseAccept(accept: string): { type: string; parameters: Map<string, string> }[] {
  return accept
    .split(',')
    .map((clause, index) => {
      const [type = '', ...rest] = clause.split(';').map((part) => part.trim());
      const parameters = new Map(rest.map((p) => [p.split('=')[0]?.trim() ?? '', p.slice(p.indexOf('=') + 1).trim()]));
      return { type: type.toLowerCase(), parameters, index, q: Number(parameters.get('q') ?? 1) };
    })
    .filter(({ type }) => type !== '')
    .sort((a, b) => b.q - a.q || a.index - b.index);
}

const encodings = new Map<string, { encoding: Encoding; mediaType: string }>([
  ['application/json', { encoding: 'json', mediaType: 'application/json' }],
  ['application/yaml', { encoding: 'yaml', mediaType: 'application/yaml' }],
  ['*/*', { encoding: 'json', mediaType: 'application/json' }],
  ['application/*', { encoding: 'json', mediaType: 'application/json' }],
]);

const protobufType = 'application/vnd.kubernetes.protobuf';
const protobuf = { encoding: 'protobuf', mediaType: protobufType } as const;
const accepted = ['application/json', 'application/yaml', protobufType] as const;
const forms = new Set(['Table', 'PartialObjectMetadata', 'PartialObjectMetadataList']);

/**
 * The first of the client's wishes that can be met; `hasProtobuf` says whether what is answered has a protobuf form.
 * Throws NotAcceptable where there is none.
 */
export function negotiate(accept: string, hasProtobuf = false): Representation {
  if (accept.trim() === '') return { encoding: 'json', mediaType: 'application/json' };
  for (const { type, parameters } of parseAccept(accept)) {
    const kind = parameters.get('as');
    // Tables and their like are given in text only.
    const encoding = type === protobufType && hasProtobuf && kind === undefined ? protobuf : encodings.get(type);
    if (encoding === undefined) continue;
    if (kind === undefined) return encoding;
    const version = parameters.get('v') ?? '';
    if (parameters.get('g') !== 'meta.k8s.io' || (version !== 'v1' && version !== 'v1beta1') || !forms.has(kind)) continue;
    // Checked to be one of the forms.
    return { ...encoding, as: { kind: kind as 'Table', version } };
  }
  throw errors.notAcceptable(accepted);
}
