/** From text to tree (google/cel-go/parser); what is no expression in the words of upstream's generated parser. */
import { type CelNode, NodesAt } from './expression-tree.ts';
import type { Token, TokenKind } from './lexer.ts';
import { expandCall, expandMethod, MacroError, type MacroOptions } from './macros.ts';
import type { SourceProblem } from './source.ts';
import { bytesLiteral, stringLiteral } from './string-literals.ts';
import { Stop, startOr, TokenReader } from './token-reader.ts';
import { Uint } from './values.ts';

/** Characters. */
const maxLength = 100_000;
const maxDepth = 250;

const reserved = new Set(
  'as break const continue else false for function if import in let loop package namespace null return true var void while'.split(' '),
);
const relations = new Set(['<', '<=', '>', '>=', '==', '!=', 'in']);

export interface Parsed {
  /** Undefined where there are problems. */
  readonly tree: CelNode | undefined;
  readonly problems: readonly SourceProblem[];
}

class Parser extends TokenReader {
  readonly #options: MacroOptions;
  #depth = 0;

  constructor(source: string, options: MacroOptions) {
    super(source);
    this.#options = options;
  }

  #nested<T>(parse: () => T): T {
    this.#depth += 1;
    if (this.#depth > maxDepth) {
      this.report(undefined, `expression recursion limit exceeded: ${maxDepth}`);
      throw new Stop();
    }
    const result = parse();
    this.#depth -= 1;
    return result;
  }

  parse(): CelNode {
    const tree = this.#expression();
    const rest = this.peek();
    if (rest.kind !== 'end') {
      const which = this.peek(1).kind === 'end' ? 'extraneous' : 'mismatched';
      this.refuse(`${which} input '${rest.text}' expecting <EOF>`);
    }
    return tree;
  }

  #expression(expected?: string): CelNode {
    return this.#nested(() => {
      this.toExpression(expected);
      const condition = this.#or();
      const op = this.accept('?');
      if (!op) return condition;
      this.toExpression();
      const yes = this.#or();
      this.expect(':');
      return this.#call(op, '_?_:_', [condition, yes, this.#expression()]);
    });
  }

  /** A call of an operator, no deeper than evaluation can follow. */
  #call({ at }: Token, name: string, args: readonly CelNode[], target?: CelNode): CelNode {
    const node = new NodesAt(at).call(name, args, target);
    return this.#checked(node);
  }

  #checked(node: CelNode): CelNode {
    if (node.depth <= 4 * maxDepth) return node;
    this.report(undefined, `expression recursion limit exceeded: ${maxDepth}`);
    throw new Stop();
  }

  #or(): CelNode {
    return this.#logic('||', '_||_', () => this.#logic('&&', '_&&_', () => this.#relation()));
  }

  /** Terms in a row become a balanced tree: the order of evaluation stays, the depth doesn't. */
  #logic(operator: string, name: string, term: () => CelNode): CelNode {
    const terms = [term()];
    const ops: Token[] = [];
    for (let op = this.accept(operator); op; op = this.accept(operator)) {
      ops.push(op);
      this.toExpression();
      terms.push(term());
    }
    const balance = (from: number, to: number): CelNode => {
      const middle = Math.floor((from + to + 1) / 2);
      const left = middle === from ? terms[from] : balance(from, middle - 1);
      const right = middle === to ? terms[to + 1] : balance(middle + 1, to);
      const op = ops[middle];
      if (!left || !right || !op) throw new Stop();
      return this.#call(op, name, [left, right]);
    };
    return ops.length === 0 ? (terms[0] ?? this.refuse('no term')) : balance(0, ops.length - 1);
  }

  #chain(operators: ReadonlySet<string>, operand: () => CelNode): CelNode {
    let left = operand();
    for (let length = 1; ; length += 1) {
      const op = this.peek();
      if ((op.kind !== 'symbol' && op.kind !== 'word') || !operators.has(op.text)) return left;
      if (this.#depth + length > maxDepth) {
        this.report(undefined, 'max recursion depth exceeded');
        throw new Stop();
      }
      this.take();
      this.toExpression();
      left = this.#call(op, op.text === 'in' ? '@in' : `_${op.text}_`, [left, operand()]);
    }
  }

  #relation(): CelNode {
    return this.#chain(relations, () => this.#sum());
  }

  #sum(): CelNode {
    return this.#chain(new Set(['+', '-']), () => this.#chain(new Set(['*', '/', '%']), () => this.#unary()));
  }

  #unary(): CelNode {
    const sign = this.peek();
    const isNegative = this.is('-') && this.startsNumber(1);
    if (isNegative || (!this.is('!') && !this.is('-'))) return this.#member();
    let count = 0;
    while (this.accept(sign.text)) count += 1;
    this.toExpression();
    const operand = this.#member();
    return count % 2 === 0 ? operand : this.#call(sign, sign.text === '!' ? '!_' : '-_', [operand]);
  }

  #member(): CelNode {
    let node = this.#primary();
    for (let length = 1; ; length += 1) {
      const op = this.peek();
      if (!this.is('.') && !this.is('[')) return node;
      if (this.#depth + length > maxDepth) {
        this.report(undefined, 'max recursion depth exceeded');
        throw new Stop();
      }
      this.take();
      node = this.#checked(op.text === '.' ? this.#selection(op, node) : this.#index(op, node));
    }
  }

  #index(op: Token, target: CelNode): CelNode {
    const isOptional = this.accept('?') !== undefined;
    const index = this.#expression();
    this.expect(']');
    return this.#call(op, isOptional ? '_[?_]' : '_[_]', [target, index]);
  }

  #selection(op: Token, operand: CelNode): CelNode {
    const isOptional = this.accept('?') !== undefined;
    const name = this.peek();
    if (name.kind === 'escaped') this.report(name.at, "unsupported syntax: '`'");
    else if (name.kind !== 'identifier') {
      if (name.kind === 'word' && name.text !== 'in') this.refuse(`mismatched input '${name.text}' expecting IDENTIFIER`);
      const shown = name.kind === 'end' ? '' : name.text;
      this.refuse(`no viable alternative at input '.${isOptional ? '?' : ''}${shown}'`, name);
    }
    this.take();
    if (isOptional) return this.#call(op, '_?._', [operand, new NodesAt(name.at).literal(name.text)]);
    const open = this.accept('(');
    if (!open) return new NodesAt(op.at).select(operand, name.text);
    return this.#method(open, name.text, operand, this.#arguments());
  }

  #arguments(): CelNode[] {
    const args: CelNode[] = [];
    if (this.accept(')')) return args;
    do args.push(this.#expression(args.length === 0 ? startOr.closingCall : undefined));
    while (this.accept(','));
    this.expect(')');
    return args;
  }

  #expanded(at: number, expand: () => CelNode | undefined): CelNode | undefined {
    try {
      return expand();
    } catch (error) {
      if (!(error instanceof MacroError)) throw error;
      this.report(error.node.at, error.message);
      return new NodesAt(at).literal(null);
    }
  }

  #method(open: Token, name: string, target: CelNode, args: readonly CelNode[]): CelNode {
    const expanded = this.#expanded(open.at, () => expandMethod(open.at, name, target, args, this.#options));
    return expanded ?? this.#call(open, name, args, target);
  }

  #primary(): CelNode {
    const token = this.peek();
    const make = new NodesAt(token.at);
    switch (token.kind) {
      case 'identifier':
        return this.#name('');
      case 'word':
        this.take();
        return make.literal(token.text === 'null' ? null : token.text === 'true');
      case 'symbol':
        return this.#bracket(token);
      case 'end':
      case 'escaped':
        return this.refuse(`mismatched input '${token.text}' expecting ${startOr.nothing}`);
    }
    this.take();
    return make.literal(this.#value(token.kind, token.text, token.at));
  }

  #bracket(token: Token): CelNode {
    this.take();
    switch (token.text) {
      case '(': {
        const inner = this.#expression();
        this.expect(')');
        return inner;
      }
      case '[':
        return this.#list(token);
      case '{':
        return this.#map(token);
      case '-': {
        if (!this.startsNumber(0)) return this.unviable('-');
        const number = this.take();
        return new NodesAt(token.at).literal(this.#value(number.kind, `-${number.text}`, token.at));
      }
      case '.':
        if (this.peek().kind === 'identifier') return this.#name('.');
        return this.unviable('.');
      default:
        return this.refuse(`mismatched input '${token.text}' expecting ${startOr.nothing}`, token);
    }
  }

  #value(kind: TokenKind, text: string, at: number): unknown {
    try {
      switch (kind) {
        case 'string':
          return stringLiteral(text);
        case 'bytes':
          return bytesLiteral(text.slice(1));
        case 'double':
          return this.#number(Number(text), Number.isFinite, at, 'double');
        case 'uint':
          return new Uint(this.#number(BigInt(text.slice(0, -1)), (n) => n < 2n ** 64n, at, 'uint'));
        default: {
          const [, sign, digits = ''] = /^(-?)(.*)$/.exec(text) ?? [];
          const value = sign ? -BigInt(digits) : BigInt(digits);
          return this.#number(value, (n) => BigInt.asIntN(64, n) === n, at, 'int');
        }
      }
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.report(at, error.message);
      return '';
    }
  }

  #number<T>(value: T, isGood: (value: T) => boolean, at: number, type: string): T {
    if (!isGood(value)) this.report(at, `invalid ${type} literal`);
    return value;
  }

  /** A name, a call, or a message of the type that is named. */
  #name(dot: string): CelNode {
    const name = this.take();
    if (this.#namesMessage()) return this.#message(dot + name.text);
    if (reserved.has(name.text)) this.report(name.at, `reserved identifier: ${name.text}`);
    const open = this.accept('(');
    if (!open) return new NodesAt(name.at).ident(dot + name.text);
    const args = this.#arguments();
    const expanded = dot === '' ? this.#expanded(open.at, () => expandCall(open.at, name.text, args)) : undefined;
    return expanded ?? this.#call(open, dot + name.text, args);
  }

  #namesMessage(): boolean {
    let offset = 0;
    while (this.is('.', offset) && this.peek(offset + 1).kind === 'identifier') offset += 2;
    return this.is('{', offset);
  }

  #message(first: string): CelNode {
    let typeName = first;
    while (this.accept('.')) typeName += `.${this.take().text}`;
    const open = this.take();
    const fields: { name: string; value: CelNode; isOptional: boolean; at: number }[] = [];
    const next = () => {
      const isOptional = this.accept('?') !== undefined;
      const name = this.take();
      if (name.kind === 'escaped') this.report(name.at, "unsupported syntax: '`'");
      else if (name.kind !== 'identifier') this.refuse(`mismatched input '${name.text}' expecting ${startOr.closingStruct}`, name);
      const colon = this.expect(':');
      fields.push({ name: name.text, value: this.#expression(), isOptional, at: colon.at });
    };
    this.#sequence('}', next);
    return new NodesAt(open.at).struct(typeName, fields);
  }

  /** Items up to a bracket, with a comma between them and perhaps one at the end. */
  #sequence(closing: string, next: () => void): void {
    if (!this.is(closing) && !this.is(',')) {
      next();
      while (this.is(',') && !this.is(closing, 1)) {
        this.take();
        next();
      }
    }
    this.accept(',');
    this.expect(closing);
  }

  #list(open: Token): CelNode {
    const items: { value: CelNode; isOptional: boolean }[] = [];
    this.#sequence(']', () => {
      const isOptional = this.accept('?') !== undefined;
      items.push({ isOptional, value: this.#expression(items.length === 0 ? startOr.closingList : undefined) });
    });
    return new NodesAt(open.at).list(items);
  }

  #map(open: Token): CelNode {
    const entries: { key: CelNode; value: CelNode; isOptional: boolean }[] = [];
    this.#sequence('}', () => {
      const isOptional = this.accept('?') !== undefined;
      const key = this.#expression(entries.length === 0 ? startOr.closingMap : undefined);
      this.expect(':');
      entries.push({ isOptional, key, value: this.#expression() });
    });
    return new NodesAt(open.at).map(entries);
  }
}

export function parseExpression(source: string, options: MacroOptions = {}): Parsed {
  const length = source.length > maxLength ? [...source].length : 0;
  if (length > maxLength) {
    const message = `expression code point size exceeds limit: size: ${length}, limit ${maxLength}`;
    return { tree: undefined, problems: [{ at: undefined, message }] };
  }
  const parser = new Parser(source, options);
  try {
    const tree = parser.parse();
    return { tree: parser.problems.length === 0 ? tree : undefined, problems: parser.problems };
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    return { tree: undefined, problems: parser.problems };
  }
}
