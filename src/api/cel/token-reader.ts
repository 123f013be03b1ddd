/** The tokens of an expression one after the other; what does not fit in the words of upstream's generated parser. */
import { type Token, tokenize } from './lexer.ts';
import type { SourceProblem } from './source.ts';

const startOfExpression = "'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER";
/** What else than an expression may stand there, in the order of upstream's tokens. */
export const startOr = {
  nothing: `{${startOfExpression}}`,
  closingList:
    "{'[', ']', '{', '(', '.', ',', '-', '!', '?', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
  closingMap:
    "{'[', '{', '}', '(', '.', ',', '-', '!', '?', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
  closingCall: "{'[', '{', '(', ')', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
  closingStruct: "{'}', ',', '?', IDENTIFIER, ESC_IDENTIFIER}",
};

/** Parsing can't go on. */
export class Stop extends Error {
  override readonly name = 'Stop';
}

export class TokenReader {
  readonly problems: SourceProblem[];
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(source: string) {
    const { tokens, problems } = tokenize(source);
    this.#tokens = tokens;
    this.problems = problems;
  }

  peek(offset = 0): Token {
    const token = this.#tokens[Math.min(this.#at + offset, this.#tokens.length - 1)];
    if (!token) throw new Stop();
    return token;
  }

  take(): Token {
    const token = this.peek();
    if (token.kind !== 'end') this.#at += 1;
    return token;
  }

  is(text: string, offset = 0): boolean {
    const { kind, text: actual } = this.peek(offset);
    return actual === text && (kind === 'symbol' || kind === 'word');
  }

  accept(text: string): Token | undefined {
    return this.is(text) ? this.take() : undefined;
  }

  report(at: number | undefined, message: string): void {
    this.problems.push({ at, message });
  }

  refuse(message: string, { at }: Token = this.peek()): never {
    this.report(at, `Syntax error: ${message}`);
    throw new Stop();
  }

  /** What must stand here; a token too many or one that is missing is made good, as upstream does. */
  expect(text: string, expected = `'${text}'`): Token {
    const token = this.peek();
    if (this.is(text)) return this.take();
    if (this.is(text, 1)) {
      this.report(token.at, `Syntax error: extraneous input '${token.text}' expecting ${expected}`);
      this.#at += 2;
      return this.peek(-1);
    }
    if (token.kind === 'end' || [')', ']', '}', ',', ':'].includes(token.text)) {
      this.report(token.at, `Syntax error: missing ${expected} at '${token.text}'`);
      return token;
    }
    return this.refuse(`mismatched input '${token.text}' expecting ${expected}`);
  }

  startsExpression(offset: number): boolean {
    const { kind, text } = this.peek(offset);
    if (kind === 'symbol') return ['[', '{', '(', '.', '-', '!'].includes(text);
    return kind === 'word' ? text !== 'in' : kind !== 'end' && kind !== 'escaped';
  }

  /** Goes past a token that can't stand where an expression begins. */
  toExpression(expected: string = startOr.nothing): void {
    if (this.startsExpression(0)) return;
    const token = this.peek();
    if (token.kind === 'end' || !this.startsExpression(1)) this.refuse(`mismatched input '${token.text}' expecting ${expected}`);
    this.report(token.at, `Syntax error: extraneous input '${token.text}' expecting ${expected}`);
    this.#at += 1;
  }

  startsNumber(offset: number): boolean {
    return ['int', 'double'].includes(this.peek(offset).kind);
  }

  /** What follows `start` fits nothing that starts so. */
  unviable(start: string): never {
    const { kind, text } = this.peek();
    return this.refuse(`no viable alternative at input '${start}${kind === 'end' ? '' : text}'`);
  }
}
