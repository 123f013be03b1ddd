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

/** Whether the reference means `latest`, which is pulled always by default. */
export function isLatestImage(image: string): boolean {
  // An empty or malformed reference doesn't parse upstream, and so has no tag.
  return image !== '' && parseImageTag(image).tag === 'latest';
}
