/** Content negotiation: which of the client's wishes in its Accept header the server can meet. */
import { errors, StatusError } from '../../api/index.ts';

export type Encoding = 'json' | 'yaml' | 'protobuf' | 'cbor';

export interface Representation {
  encoding: Encoding;
  mediaType: string;
  /** The form that the client wants objects in, where not their own. */
  as?: { kind: 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList'; version: 'v1' | 'v1beta1' };
  /** In lines that people read. */
  pretty?: boolean;
}

/** Parsed `type/subtype;key=value` clauses in order of preference. */
export function parseAccept(accept: string): { type: string; parameters: Map<string, string> }[] {
  return accept
    .split(',')
    .map((clause, index) => {
      const [type = '', ...rest] = clause.split(';').map((part) => part.trim());
      const parameters = new Map(rest.map((p) => [p.split('=')[0]?.trim() ?? '', p.slice(p.indexOf('=') + 1).trim()]));
      return { type: type.toLowerCase(), parameters, index, q: Number(parameters.get('q') ?? 1) || 0 };
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

/** The media types that a client which takes none of them is told: all that the server has, whatever there is of the answer at hand. */
function knownTypes({ cbor: speaksCbor }: Offer): string[] {
  return [json, yaml, protobuf, ...(speaksCbor ? [cbor] : [])].map(({ mediaType }) => mediaType);
}

function streamTypes({ cbor: speaksCbor }: Offer): string[] {
  return [...[json, protobuf].map(({ mediaType }) => `${mediaType};stream=watch`), ...(speaksCbor ? ['application/cbor-seq'] : [])];
}

/**
 * What a route of a built-in kind refuses before anything else is looked at (go-restful): it knows the types that its answers may
 * have, and no other wildcard than the one for all.
 * @throws StatusError NotAcceptable
 */
export function checkProduced(accept: string, produced: readonly string[]): void {
  if (accept === json.mediaType || accept.trim() === '') return;
  const plain = (type: string) => type.replace(/;.*/, '');
  if (parsedAccept(accept).some(({ type }) => type === '*/*' || produced.some((each) => plain(each) === type))) return;
  throw new StatusError(406, 'NotAcceptable', `406: Not Acceptable\n\nAvailable representations: ${produced.join(', ')}`, {});
}

/** The media types of objects, of collections also those that they are watched in. */
export const producedTypes = (offer: Pick<Offer, 'cbor'>, isCollection: boolean): string[] =>
  isCollection ? [...knownTypes(offer), ...streamTypes(offer)] : knownTypes(offer);

/** The form that a clause asks for; undefined for the answer's own, null for one that there is not. */
function formOf(parameters: ReadonlyMap<string, string>, { encoding }: MediaType, offer: Offer): Representation['as'] | null {
  const kind = parameters.get('as');
  const version = parameters.get('v');
  const group = parameters.get('g');
  if (kind === undefined && version === undefined && group === undefined) return undefined;
  if (group !== 'meta.k8s.io' || (version !== 'v1' && version !== 'v1beta1') || kind === undefined || !forms.has(kind)) return null;
  // A Table's cells have no protobuf form.
  if (kind === 'Table' && (offer.table === false || encoding === 'protobuf')) return null;
  // Checked to be one of the forms.
  return { kind: kind as 'Table', version };
}

/** What a clause asks for, where it can be given. */
function accepted({ type, parameters }: Clauses[number], offer: Offer): Representation | undefined {
  const mediaType = byType.get(type);
  if (mediaType === undefined || (mediaType === cbor && !offer.cbor)) return undefined;
  const stream = parameters.get('stream');
  if (stream && (stream !== 'watch' || mediaType === yaml)) return undefined;
  if (parameters.get('sv')) return undefined;
  const as = formOf(parameters, mediaType, offer);
  if (as === null || (as === undefined && mediaType === protobuf && !offer.protobuf)) return undefined;
  const pretty = parameters.get('pretty') === '1';
  return as || pretty ? { ...mediaType, ...(as ? { as } : {}), ...(pretty ? { pretty } : {}) } : mediaType;
}

/**
 * The first of the client's wishes that can be met.
 * @throws StatusError NotAcceptable where there is none, or where it is one that there is no watch in
 */
export function negotiate(accept: string, offer: Offer = {}): Representation {
  if (accept === json.mediaType || accept.trim() === '') return json;
  for (const clause of parsedAccept(accept)) {
    const representation = accepted(clause, offer);
    if (representation === undefined) continue;
    if (offer.stream && representation.encoding === 'yaml') throw errors.notAcceptable(streamTypes(offer));
    return representation;
  }
  throw errors.notAcceptable(knownTypes(offer));
}

/** How an error is told: as the client takes things in their own form, otherwise in JSON to be read. */
export function negotiateError(accept: string, offer: Pick<Offer, 'cbor'>): Representation {
  if (accept === json.mediaType || accept.trim() === '') return json;
  for (const clause of parsedAccept(accept)) {
    const representation = accepted(clause, { ...offer, protobuf: true });
    if (representation !== undefined && representation.as === undefined) return representation;
  }
  return { ...json, pretty: true };
}
