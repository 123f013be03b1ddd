/** Content negotiation: which of the client's wishes in its Accept header the server can meet. */
import { errors } from '../../api/index.ts';

export type Encoding = 'json' | 'yaml' | 'protobuf' | 'cbor';

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

type Clauses = ReturnType<typeof parseAccept>;
/** Clients send few different ones, each again and again. */
const parsed = new Map<string, Clauses>();
const mostParsed = 100;
const longestParsed = 500;

function parsedAccept(accept: string): Clauses {
  let clauses = parsed.get(accept);
  if (clauses === undefined) {
    clauses = parseAccept(accept);
    if (accept.length > longestParsed) return clauses;
    if (parsed.size >= mostParsed) parsed.clear();
    parsed.set(accept, clauses);
  }
  return clauses;
}

interface MediaType {
  readonly encoding: Encoding;
  readonly mediaType: string;
}

const json: MediaType = { encoding: 'json', mediaType: 'application/json' };
const yaml: MediaType = { encoding: 'yaml', mediaType: 'application/yaml' };
const protobuf: MediaType = { encoding: 'protobuf', mediaType: 'application/vnd.kubernetes.protobuf' };
const cbor: MediaType = { encoding: 'cbor', mediaType: 'application/cbor' };

const byType = new Map([json, yaml, protobuf, cbor].map((type) => [type.mediaType, type]));
byType.set('*/*', json);
byType.set('application/*', json);
/** What a stream of CBOR documents is called. */
byType.set('application/cbor-seq', cbor);

const forms = new Set(['Table', 'PartialObjectMetadata', 'PartialObjectMetadataList']);

/** What the answer at hand can be given in, beside JSON. */
export interface Offer {
  /** Whether its kind has a protobuf form. Metadata alone always has. */
  protobuf?: boolean;
  /** Whether the server speaks CBOR (the feature CBORServingAndStorage). */
  cbor?: boolean;
  /** Whether there is a Table of it; default: there is. */
  table?: boolean;
  /** A watch: YAML has no form for it. */
  stream?: boolean;
}

/** The media types that a client which takes none of them is told. */
function acceptedTypes(offer: Offer): string[] {
  const stream = offer.stream ? ';stream=watch' : '';
  return [
    json.mediaType + stream,
    ...(offer.stream ? [] : [yaml.mediaType]),
    ...(offer.protobuf ? [protobuf.mediaType + stream] : []),
    ...(offer.cbor ? [offer.stream ? 'application/cbor-seq' : cbor.mediaType] : []),
  ];
}

function isOffered({ encoding }: MediaType, form: string | undefined, offer: Offer): boolean {
  switch (encoding) {
    case 'json':
      return true;
    case 'yaml':
      return !offer.stream;
    case 'cbor':
      return offer.cbor === true;
    case 'protobuf':
      // A Table's cells have no protobuf form; metadata has one whatever it is of.
      return form === undefined ? offer.protobuf === true : form !== 'Table';
  }
}

/**
 * The first of the client's wishes that can be met.
 * @throws StatusError NotAcceptable where there is none
 */
export function negotiate(accept: string, offer: Offer = {}): Representation {
  if (accept === json.mediaType || accept.trim() === '') return json;
  for (const { type, parameters } of parsedAccept(accept)) {
    const form = parameters.get('as');
    const mediaType = byType.get(type);
    if (mediaType === undefined || !isOffered(mediaType, form, offer)) continue;
    if (form === undefined) return mediaType;
    const version = parameters.get('v') ?? '';
    if (parameters.get('g') !== 'meta.k8s.io' || (version !== 'v1' && version !== 'v1beta1') || !forms.has(form)) continue;
    if (form === 'Table' && offer.table === false) continue;
    // Checked to be one of the forms.
    return { ...mediaType, as: { kind: form as 'Table', version } };
  }
  throw errors.notAcceptable(acceptedTypes(offer));
}
