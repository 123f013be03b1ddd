/** `deployments.apps`, `secrets`, `*.apps`, `*.*`, `*.`: which resources a configuration means. */

export interface GroupResource {
  group: string;
  resource: string;
}

/** What comes before the first dot is the resource; `*.` is all of the core group. */
export function parseGroupResource(text: string): GroupResource {
  const dot = text.indexOf('.');
  return dot < 0 ? { resource: text, group: '' } : { resource: text.slice(0, dot), group: text.slice(dot + 1) };
}

export const nameOf = ({ group, resource }: GroupResource): string =>
  group !== '' ? `${resource}.${group}` : resource === '*' ? '*.' : resource;

export const everything: GroupResource = { group: '*', resource: '*' };
