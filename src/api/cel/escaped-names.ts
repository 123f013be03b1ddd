/** Names of fields that CEL can't say, as it says them (k8s.io/apiserver/pkg/cel, escaping). */
const reserved = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(' '),
);

/** How CEL spells a field's name that it can't say; undefined for one that it can't reach. */
export function escapeName(name: string): string | undefined {
  if (reserved.has(name)) return `__${name}__`;
  const escaped = name.replace(/__|[./-]/g, (c) =>
    c === '__' ? '__underscores__' : c === '.' ? '__dot__' : c === '-' ? '__dash__' : '__slash__',
  );
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(escaped) ? escaped : undefined;
}

const meanings: Readonly<Record<string, string>> = { __underscores__: '__', __dot__: '.', __dash__: '-', __slash__: '/' };

/** What an escaped name stands for; undefined for one that is none, or stands for itself. */
export function unescapeName(escaped: string): string | undefined {
  if (!escaped.includes('__')) return undefined;
  const keyword = escaped.slice(2, -2);
  if (escaped === `__${keyword}__` && reserved.has(keyword)) return keyword;
  let isValid = true;
  const name = escaped.replace(/__[^_]+__/g, (part) => {
    const meaning = meanings[part];
    if (meaning === undefined) isValid = false;
    return meaning ?? '';
  });
  return isValid && name !== escaped ? name : undefined;
}
