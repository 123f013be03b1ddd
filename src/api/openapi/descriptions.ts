/** What types and fields mean, in upstream's words: 1 MB of text that is loaded when the first document is built, and not before. */
let loaded: Record<string, Record<string, string>> | undefined;

/** Descriptions by the table's type name and field name; the type's own is under the empty name. */
export async function loadDescriptions(): Promise<Readonly<Record<string, Readonly<Record<string, string>>>>> {
  if (!loaded) {
    const { descriptionsText } = await import('../generated/descriptions.ts');
    // Written by scripts/generate.ts in this form.
    loaded = JSON.parse(descriptionsText) as Record<string, Record<string, string>>;
  }
  return loaded;
}
