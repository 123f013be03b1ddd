/**
 * From YAML to JSON, as sigs.k8s.io/yaml converts before anything is decoded. Knows nothing of the rest of the server, so that a thread
 * aside has little to load (yaml-conversion.ts).
 */
import { Composer, isMap, isNode, isScalar, isSeq, LineCounter, Parser, type YAMLParseError, type Document as YamlDocument } from 'yaml';
import { yamlOptions } from '../../api/yaml-scalars.ts';
import { nestsTooDeep, tooDeepYaml } from './yaml-depth.ts';

/** Where this module is, for the thread aside. */
export const place = import.meta.url;

export interface ConvertedYaml {
  /** Undefined where the text has no document. Integers have all of their digits. */
  json: string | undefined;
  /** What Go's parser says of keys that the text repeats. */
  repeated: string | undefined;
}

/** libyaml takes no others. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const controls = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]/;

const problem = (why: string) => new Error(`yaml: ${why}`);

/** What Go's parser says of mistakes that people make, and where. */
function syntaxProblem({ code, message, pos: [at] }: YAMLParseError, text: string, lines: LineCounter): Error {
  if (code === 'RESOURCE_EXHAUSTION') return problem(tooDeepYaml);
  const { line, col } = lines.linePos(at);
  const located = (where: number, why: string) => problem(where > 0 ? `line ${where}: ${why}` : why);
  // Its scanner counts lines from one, but does not tell of the first; its parser from zero, and a text's end begins one more.
  const scanned = (why: string) => located(line > 1 ? line : 0, why);
  const parsed = (why: string) => located(line - 1, why);
  const [, closing] = /must (?:be sufficiently indented and )?end with a ([\]}])/.exec(message) ?? [];
  if (closing !== undefined) return located(text.replace(/\n$/, '').split('\n').length, `did not find expected ',' or '${closing}'`);
  if (/^Unexpected (?:, in flow|flow-(?:map|seq)-end)/.test(message))
    return parsed(`did not find expected ${col === 1 ? 'key' : 'node content'}`);
  if (message.startsWith('Nested mappings')) {
    const colon = text.slice(at).search(/:(?:\s|$)/);
    const second = lines.linePos(at + Math.max(0, colon)).line;
    return located(second > 1 ? second : 0, 'mapping values are not allowed in this context');
  }
  if (code === 'TAB_AS_INDENT' || code === 'BAD_SCALAR_START') return scanned('found character that cannot start any token');
  if (message.startsWith('Invalid escape sequence')) return scanned('found unknown escape character');
  if (code === 'MISSING_CHAR' && /^Missing closing .?quote/.test(message)) return scanned('found unexpected end of stream');
  return problem(message);
}

/** Throws what is wrong with the text, in Go's words. */
export function convertYaml(text: string): ConvertedYaml {
  if (controls.test(text)) throw problem('control characters are not allowed');
  if (nestsTooDeep(text)) throw problem(tooDeepYaml);
  const lines = new LineCounter();
  // Further documents of the text are left unread, as upstream leaves them.
  const [document] = new Composer({ ...yamlOptions, uniqueKeys: false }).compose(new Parser(lines.addNewLine).parse(text));
  if (document === undefined) return { json: undefined, repeated: undefined };
  const [wrong] = document.errors;
  if (wrong !== undefined) throw syntaxProblem(wrong, text, lines);
  const repeated = repeatedKeys(document, lines);
  return { json: JSON.stringify(plain(document)) ?? 'null', repeated };
}

const badMerge = 'map merge requires map or sequence of maps as the value';

/** Aliases are bounded, so that a small document can't grow without end. */
function plain(document: YamlDocument): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw /^Merge sources/.test(String((error as Error).message)) ? problem(badMerge) : error;
    const [, unknown] = /^Unresolved alias .*: (.*)$/.exec(error.message) ?? [];
    throw problem(unknown === undefined ? 'document contains excessive aliasing' : `unknown anchor '${unknown}' referenced`);
  }
}

const endless = (value: unknown) => typeof value === 'number' && !Number.isFinite(value);
const goFloat = (value: number) => (Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf');

/** What YAML has and JSON has not. */
function checkValue(node: unknown): void {
  if (isScalar(node) && endless(node.value)) throw new Error(`json: unsupported value: ${goFloat(Number(node.value))}`);
}

/** As Go's `%#v` shows what a key may not be: what an unfilled template `{{ x }}` is. */
function goSyntax(node: unknown): string {
  if (isMap(node))
    return `map[interface {}]interface {}{${node.items.map(({ key, value }) => `${goSyntax(key)}:${goSyntax(value)}`).join(', ')}}`;
  if (isSeq(node)) return `[]interface {}{${node.items.map(goSyntax).join(', ')}}`;
  if (!isScalar(node) || node.value === null) return 'interface {}(nil)';
  return typeof node.value === 'string' ? JSON.stringify(node.value) : String(node.value);
}

function checkKey(key: unknown, value: unknown): void {
  if (isMap(key) || isSeq(key)) throw problem(`invalid map key: ${goSyntax(key)}`);
  if (!isScalar(key)) return;
  if (endless(key.value))
    key.value = String(key.value)
      .replace(/Infinity/, '.inf')
      .replace('NaN', '.nan');
  if (key.value !== null) return;
  const shown = isScalar(value) ? (typeof value.value === 'string' ? JSON.stringify(value.value) : String(value.value ?? '<nil>')) : '...';
  throw new Error(`Unsupported map key of type: %!s(<nil>), key: <nil>, value: ${shown}`);
}

/** What the document's maps repeat, in the order in which a reader is done with the values, and at these' lines, as Go's parser tells. */
function repeatedKeys({ contents }: YamlDocument, lines: LineCounter): string | undefined {
  const repeated: string[] = [];
  const walk = (node: unknown): void => {
    if (isSeq(node)) for (const item of node.items) walk(item);
    checkValue(node);
    if (!isMap(node)) return;
    const seen = new Set<unknown>();
    for (const { key, value } of node.items) {
      walk(value);
      checkKey(key, value);
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
