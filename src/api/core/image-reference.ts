/** The tag and digest of an image reference (distribution/reference grammar, as far as the API cares). */
export interface ImageTag {
  tag: string;
  digest: string;
}

/** Splits `host:5000/repo/name:tag@sha256:...`; without tag and digest the tag is `latest`. */
export function parseImageTag(image: string): ImageTag {
  const at = image.indexOf('@');
  const digest = at < 0 ? '' : image.slice(at + 1);
  const name = at < 0 ? image : image.slice(0, at);
  const colon = name.lastIndexOf(':');
  // A colon before a slash belongs to the registry's port.
  const tag = colon > name.lastIndexOf('/') ? name.slice(colon + 1) : '';
  return { tag: tag === '' && digest === '' ? 'latest' : tag, digest };
}

const host = '([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const registry = `(${host}(\\.${host})*|\\[[a-fA-F0-9:]+\\])(:[0-9]+)?`;
const component = '[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*';
const tagged = '(:\\w[\\w.-]{0,127})?';
const digested = '(@[A-Za-z][A-Za-z0-9]*([-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?';
const reference = new RegExp(`^(${registry}/)?${component}(/${component})*${tagged}${digested}$`);

const maxRepository = 255;

/** How long the name of a `latest` image is without its registry; the hub's own are below `library/`. */
function repositoryLength(image: string): number {
  const name = image.replace(/(:latest)?(@.*)?$/, '');
  const [first = '', ...rest] = name.split('/');
  if (rest.length === 0) return 'library/'.length + name.length;
  return /[.:A-Z]/.test(first) || first === 'localhost' ? name.length - first.length - 1 : name.length;
}

/** More than the longest name (255), tag (128) and digest take; the pattern is not held against what can be none. */
const maxReference = 1024;

/** Whether the reference means `latest`, which is pulled always by default. One that is malformed has no tag. */
export function isLatestImage(image: string): boolean {
  if (image.length > maxReference) return false;
  if (parseImageTag(image).tag !== 'latest' || !reference.test(image) || /^[a-f0-9]{64}$/.test(image)) return false;
  return repositoryLength(image) <= maxRepository;
}
