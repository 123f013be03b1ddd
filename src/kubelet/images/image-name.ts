/** Image references: their grammar (distribution/reference) and what names they stand for. */

const domain =
  '(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?';
const component = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const reference = new RegExp(
  `^((?:${domain}/)?${component}(?:/${component})*)(?::([\\w][\\w.-]{0,127}))?(?:@([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?$`,
);

/** With tag `latest` where it names neither tag nor digest. Throws Error `couldn't parse image name ...`. */
export function completeImageName(image: string): string {
  const match = reference.exec(image);
  if (!match) {
    const hint = reference.test(image.toLowerCase())
      ? `: repository name (${image.includes('/') ? '' : 'library/'}${image}) must be lowercase`
      : '';
    throw new Error(`couldn't parse image name ${JSON.stringify(image)}: invalid reference format${hint}`);
  }
  return match[2] || match[3] ? image : `${image}:latest`;
}

/** The registry that serves it, as credentials name it. */
export function registryOf(image: string): string {
  const first = image.split('/')[0] ?? '';
  const isHost = image.includes('/') && (/[.:]/.test(first) || first === 'localhost');
  return isHost ? first : 'docker.io';
}

/** Registry and repository, without tag and digest. */
export function repositoryOf(image: string): string {
  const bare = image.replace(/@.*$/, '').replace(/:[^/:]*$/, '');
  const registry = registryOf(image);
  if (registry !== 'docker.io') return bare;
  const path = bare.replace(/^docker\.io\//, '');
  return `docker.io/${path.includes('/') ? path : `library/${path}`}`;
}
