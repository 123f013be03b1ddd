/**
 * From YAML to JSON, as sigs.k8s.io/yaml converts before anything is decoded. Knows nothing of the rest of the server, so that a thread
 * aside has little to load (yaml-conversion.ts).
 */
import { Composer, isMap, isNode, isScalar, isSeq, LineCounter, Parser, type Document as YamlDocument } from 'yaml';
import { nestsTooDeep, tooDeepYaml } from './yaml-depth.ts';

/** Where this module is, for the thread aside. */
export const place = import.meta.url;

export interface ConvertedYaml {
  /** Undefined where the text has no document. Integers have all of their digits. */
  json: string | undefined;
  /** What Go's parser says of keys that the text repeats. */
  repeated: string | undefined;
}

/** Throws what is wrong with the text, in the words that follow `yaml: `. */
export function convertYaml(text: string): ConvertedYaml {
  if (nestsTooDeep(text)) throw new Error(tooDeepYaml);
  const lines = new LineCounter();
  // Further documents of the text are left unread, as upstream leaves them.
  const [document] = new Composer({ uniqueKeys: false, intAsBigInt: true }).compose(new Parser(lines.addNewLine).parse(text));
  if (document === undefined) return { json: undefined, repeated: undefined };
  const [problem] = document.errors;
  if (problem !== undefined) throw new Error(problem.code === 'RESOURCE_EXHAUSTION' ? tooDeepYaml : problem.message);
  // Aliases are bounded, so that a small document can't grow without end.
  return { json: JSON.stringify(document.toJS({ maxAliasCount: 100 })) ?? 'null', repeated: repeatedKeys(document, lines) };
}

/** What the document's maps repeat, in the order in which a reader is done with the values, and at these' lines, as Go's parser tells. */
function repeatedKeys({ contents }: YamlDocument, lines: LineCounter): string | undefined {
  const repeated: string[] = [];
  const walk = (node: unknown): void => {
    if (isSeq(node)) for (const item of node.items) walk(item);
    if (!isMap(node)) return;
    const seen = new Set<unknown>();
    for (const { key, value } of node.items) {
      walk(value);
      if (!isScalar(key)) continue;
      if (seen.has(key.value)) {
        const { line } = lines.linePos((isNode(value) ? value.range?.[0] : undefined) ?? key.range?.[0] ?? 0);
        repeated.push(`  line ${line}: key ${JSON.stringify(String(key.value))} already set in map`);
      }
      seen.add(key.value);
    }
  };
  walk(contents);
  return repeated.length > 0 ? `yaml: unmarshal errors:\n${repeated.join('\n')}` : undefined;
}
