/**
 * CEL's constructors of typed objects (`Object.spec{replicas: 3}`, `JSONPatch{op: "remove", path: "/spec"}`), which the library
 * does not parse: they are rewritten to calls with a map, before it sees them.
 */

/** What a constructor becomes: `Object.spec{replicas: 3}` → `new_Object("Object.spec", {"replicas": 3})`. */
export const constructorFunction = (root: string) => `new_${root}`;
/** What the value of an optional field (`?replicas: x`) is wrapped in. */
export const optionalFieldFunction = 'new_optional_field';

const identifier = /[A-Za-z_][A-Za-z0-9_]*/y;
const path = /[A-Za-z_][A-Za-z0-9_]*(?:\s*\.\s*(?:[A-Za-z_][A-Za-z0-9_]*|`[^`]*`))*(?=\s*\{)/y;
const stringLiteral = /[rbRB]{0,2}(?:"""[\s\S]*?"""|'''[\s\S]*?'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')/y;
const rawStringLiteral = /[rR][bB]?(?:"""[\s\S]*?"""|'''[\s\S]*?'''|"[^"\n]*"|'[^'\n]*')/y;
const fieldStart = /\s*(\??)\s*(?:([A-Za-z_][A-Za-z0-9_]*)|`([^`]*)`)\s*:/y;

class Rewriter {
  readonly #source: string;
  readonly #roots: readonly string[];
  #at = 0;
  #out = '';

  constructor(source: string, roots: readonly string[]) {
    this.#source = source;
    this.#roots = roots;
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#source);
  }

  #copy(length: number): void {
    this.#out += this.#source.slice(this.#at, this.#at + length);
    this.#at += length;
  }

  run(): string {
    // Of each open bracket: whether it is a constructor's, and whether its field at hand is optional.
    const open: { fields: boolean; optional: boolean }[] = [];
    const endField = () => {
      const top = open.at(-1);
      if (!top?.optional) return;
      this.#out += ')';
      top.optional = false;
    };
    const beginField = () => {
      const top = open.at(-1);
      const match = top?.fields ? this.#match(fieldStart) : null;
      if (!top || !match) return;
      const [text, optional, name, quoted] = match;
      top.optional = optional === '?';
      this.#at += text.length;
      this.#out += `${JSON.stringify(name ?? quoted ?? '')}: ${top.optional ? `${optionalFieldFunction}(` : ''}`;
    };
    while (this.#at < this.#source.length) {
      const literal = this.#match(rawStringLiteral) ?? this.#match(stringLiteral);
      if (literal) {
        this.#copy(literal[0].length);
        continue;
      }
      const constructed = this.#match(path);
      const [, root = ''] = /^([A-Za-z_0-9]+)/.exec(constructed?.[0] ?? '') ?? [];
      if (constructed && this.#roots.includes(root)) {
        this.#at = this.#source.indexOf('{', this.#at + constructed[0].length) + 1;
        this.#out += `${constructorFunction(root)}(${JSON.stringify(constructed[0].replace(/\s/g, ''))}, {`;
        open.push({ fields: true, optional: false });
        beginField();
        continue;
      }
      const word = this.#match(identifier);
      if (word) {
        this.#copy(word[0].length);
        continue;
      }
      const character = this.#source[this.#at];
      if (character === '{' || character === '[' || character === '(') open.push({ fields: false, optional: false });
      const closes = character === '}' || character === ']' || character === ')';
      if (closes || character === ',') endField();
      this.#copy(1);
      if (closes && open.pop()?.fields) this.#out += ')';
      if (character === ',') beginField();
    }
    return this.#out;
  }
}

/** Rewrites the constructors of types below these names. */
export function rewriteConstructors(source: string, roots: readonly string[]): string {
  return roots.some((root) => source.includes(root)) ? new Rewriter(source, roots).run() : source;
}
