/** An expression's tokens (google/cel-go/parser/gen/CEL.g4). */
import type { SourceProblem } from './source.ts';

export type TokenKind = 'symbol' | 'word' | 'identifier' | 'escaped' | 'int' | 'uint' | 'double' | 'string' | 'bytes' | 'end';

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  readonly at: number;
}

const skipped = /(?:[\t \r\n\f]+|\/\/[^\n]*)+/y;
const symbol = /==|!=|<=|>=|&&|\|\||[<>[\]{}().,\-!?:+*/%]/y;
const identifier = /[A-Za-z_][A-Za-z0-9_]*/y;
const escaped = /`[A-Za-z0-9_./ -]+`/y;
const double = /\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?/y;
const uint = /(?:0x[0-9a-fA-F]+|\d+)[uU]/y;
const int = /0x[0-9a-fA-F]+|\d+/y;
/** The first that matches is the token. */
const kinds: readonly (readonly [TokenKind, RegExp])[] = [
  ['double', double],
  ['uint', uint],
  ['int', int],
  ['identifier', identifier],
  ['escaped', escaped],
  ['symbol', symbol],
];
const prefix = /[bB]?[rR]?(?="|')/y;
const words = new Set(['in', 'true', 'false', 'null']);
const escapeSequence = /\\(?:[abfnrtv"'\\?`]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2})/y;

class Lexer {
  readonly tokens: Token[] = [];
  readonly problems: SourceProblem[] = [];
  readonly #source: string;
  #at = 0;

  constructor(source: string) {
    this.#source = source;
  }

  #match(pattern: RegExp, at = this.#at): string | undefined {
    pattern.lastIndex = at;
    return pattern.exec(this.#source)?.[0];
  }

  #add(kind: TokenKind, text: string): void {
    this.tokens.push({ kind, text, at: this.#at });
    this.#at += text.length;
  }

  /** Up to and with the character that fits no token. */
  #refuse(end: number): void {
    const size = (this.#source.codePointAt(end) ?? 0) > 0xffff ? 2 : 1;
    const text = this.#source.slice(this.#at, Math.min(this.#source.length, end + size));
    const shown = text.replaceAll('\n', '\\n').replaceAll('\t', '\\t').replaceAll('\r', '\\r');
    this.problems.push({ at: this.#at, message: `Syntax error: token recognition error at: '${shown}'` });
    this.#at += text.length;
  }

  /** The end of a literal that begins at `start`, its quotes; or where it goes wrong. */
  #literalEnd(start: number, isRaw: boolean): { end: number; isGood: boolean } {
    const source = this.#source;
    const quote = source[start] ?? '';
    const isLong = source.startsWith(quote.repeat(3), start);
    const closing = isLong ? quote.repeat(3) : quote;
    let at = start + closing.length;
    while (at < source.length) {
      if (source.startsWith(closing, at)) return { end: at + closing.length, isGood: true };
      const character = source[at];
      if (!isLong && (character === '\n' || character === '\r')) break;
      if (character === '\\' && !isRaw) {
        const sequence = this.#match(escapeSequence, at);
        // Past the start of a numeric sequence it is the digit that is wrong.
        if (sequence === undefined) return { end: at + (/[xXuU0-3]/.test(source[at + 1] ?? '') ? 2 : 1), isGood: false };
        at += sequence.length;
      } else at += 1;
    }
    return { end: at, isGood: false };
  }

  #next(): void {
    const start = this.#match(prefix);
    if (start !== undefined) {
      const { end, isGood } = this.#literalEnd(this.#at + start.length, /r/i.test(start));
      if (isGood) this.#add(/^b/i.test(start) ? 'bytes' : 'string', this.#source.slice(this.#at, end));
      else this.#refuse(end);
      return;
    }
    for (const [kind, pattern] of kinds) {
      const text = this.#match(pattern);
      if (text === undefined) continue;
      this.#add(kind === 'identifier' && words.has(text) ? 'word' : kind, text);
      return;
    }
    // The first half of an operator takes what follows it along.
    this.#refuse(/[&|=]/.test(this.#source[this.#at] ?? '') ? this.#at + 1 : this.#at);
  }

  run(): void {
    for (;;) {
      this.#at += this.#match(skipped)?.length ?? 0;
      if (this.#at >= this.#source.length) break;
      this.#next();
    }
    this.tokens.push({ kind: 'end', text: '<EOF>', at: this.#source.length });
  }
}

/** The tokens of a text, the last of them its end, and what is none. */
export function tokenize(source: string): { tokens: readonly Token[]; problems: SourceProblem[] } {
  const lexer = new Lexer(source);
  lexer.run();
  return lexer;
}
