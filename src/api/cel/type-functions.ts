/** Kubernetes' types beside CEL's own: quantities, URLs, versions, named formats (k8s.io/apiserver/pkg/cel/library). */
import { type GoUrl, hostname, isRequestUri, parseRequestUri, port, queryValues, UrlError } from '../go-url.ts';
import { isDns1035Label, isDns1123Label, isDns1123Subdomain, isLabelValue, isQualifiedName } from '../names.ts';
import {
  addQuantities,
  compareQuantities,
  parseQuantity,
  type Quantity,
  quantityFromValue,
  quantityToNumber,
  subtractQuantities,
  tryParseQuantity,
} from '../quantity.ts';
import { compareSemver, type Semver } from '../semver.ts';
import { hasFormat } from '../string-formats.ts';
import { type Environment, member, overload } from './declarations.ts';
import { readSemver } from './semver-text.ts';
import { boolType, doubleType, intType, listOf, mapOf, opaqueType, optionalOfType, stringType } from './types.ts';
import { CelError, OpaqueValue, Optional } from './values.ts';

export const quantityType = opaqueType('kubernetes.Quantity');
const urlType = opaqueType('kubernetes.URL');
const semverType = opaqueType('kubernetes.Semver');
const formatType = opaqueType('kubernetes.NamedFormat');

export class QuantityValue extends OpaqueValue {
  readonly type = quantityType;
  readonly value: Quantity;
  constructor(value: Quantity) {
    super();
    this.value = value;
  }
  override equals(other: unknown): boolean {
    return other instanceof QuantityValue && compareQuantities(this.value, other.value) === 0;
  }
}

class UrlValue extends OpaqueValue {
  readonly type = urlType;
  readonly text: string;
  readonly value: GoUrl;
  constructor(text: string, value: GoUrl) {
    super();
    this.text = text;
    this.value = value;
  }
  override equals(other: unknown): boolean {
    return other instanceof UrlValue && this.text === other.text;
  }
}

export class SemverValue extends OpaqueValue {
  readonly type = semverType;
  readonly value: Semver;
  constructor(value: Semver) {
    super();
    this.value = value;
  }
  override equals(other: unknown): boolean {
    return other instanceof SemverValue && compareSemver(this.value, other.value) === 0;
  }
}

class FormatValue extends OpaqueValue {
  readonly type = formatType;
  override readonly size: number;
  readonly check: (text: string) => string[];
  constructor({ check, patternLength }: NamedFormat) {
    super();
    this.check = check;
    this.size = patternLength;
  }
}

const nano = 1_000_000_000n;
/** What is larger is kept as this. */
const most = 2n ** 63n - 1n;
const isWhole = ({ nano: n }: Quantity) => n % nano === 0n && n / nano < most && n / nano > -most;

function quantityFrom(text: string): QuantityValue {
  try {
    return new QuantityValue(parseQuantity(text));
  } catch (error) {
    throw new CelError(error instanceof Error ? error.message : String(error));
  }
}

function declareQuantities(environment: Environment): void {
  const t = quantityType;
  const compare = (holds: (order: number) => boolean) =>
    member([t, t], boolType, (a: QuantityValue, b: QuantityValue) => holds(compareQuantities(a.value, b.value)));
  const arithmetic = (apply: (a: Quantity, b: Quantity) => Quantity) => [
    member([t, t], t, (a: QuantityValue, b: QuantityValue) => new QuantityValue(apply(a.value, b.value))),
    member([t, intType], t, (a: QuantityValue, b: bigint) => new QuantityValue(apply(a.value, quantityFromValue(b)))),
  ];
  environment
    .type(t.name, t)
    .function('quantity', overload([stringType], t, quantityFrom))
    .function(
      'isQuantity',
      overload([stringType], boolType, (text: string) => tryParseQuantity(text) !== undefined),
    )
    .function(
      'sign',
      member([t], intType, ({ value }: QuantityValue) => (value.nano > 0n ? 1n : value.nano < 0n ? -1n : 0n)),
    )
    .function(
      'isInteger',
      member([t], boolType, ({ value }: QuantityValue) => isWhole(value)),
    )
    .function(
      'asInteger',
      member([t], intType, ({ value }: QuantityValue) => {
        if (!isWhole(value)) throw new CelError('cannot convert value to integer');
        return value.nano / nano;
      }),
    )
    .function(
      'asApproximateFloat',
      member([t], doubleType, ({ value }: QuantityValue) => quantityToNumber(value)),
    )
    .function(
      'isGreaterThan',
      compare((order) => order > 0),
    )
    .function(
      'isLessThan',
      compare((order) => order < 0),
    )
    .function(
      'compareTo',
      member([t, t], intType, (a: QuantityValue, b: QuantityValue) => BigInt(compareQuantities(a.value, b.value))),
    )
    .function('add', ...arithmetic(addQuantities))
    .function('sub', ...arithmetic(subtractQuantities));
}

function urlFrom(text: string): UrlValue {
  try {
    parseRequestUri(text);
    return new UrlValue(text, parseRequestUri(text.replace(/#.*$/s, '') || '/'));
  } catch (error) {
    if (!(error instanceof UrlError)) throw error;
    throw new CelError(`URL parse error during conversion from string: ${error.message}`);
  }
}

function declareUrls(environment: Environment): void {
  const part = (name: string, read: (url: GoUrl) => string) =>
    environment.function(
      name,
      member([urlType], stringType, ({ value }: UrlValue) => read(value)),
    );
  environment
    .type(urlType.name, urlType)
    .function('isURL', overload([stringType], boolType, isRequestUri))
    .function('url', overload([stringType], urlType, urlFrom))
    .function(
      'getQuery',
      member([urlType], mapOf(stringType, listOf(stringType)), ({ value }: UrlValue) => queryValues(value)),
    );
  part('getScheme', ({ scheme }) => scheme);
  part('getHost', ({ host }) => host);
  part('getHostname', hostname);
  part('getPort', port);
  part('getEscapedPath', ({ escapedPath }) => escapedPath);
}

function semverFrom(text: string, normalize = false): SemverValue {
  const { value, problem } = readSemver(text, normalize);
  if (!value) throw new CelError(problem);
  return new SemverValue(value);
}

function declareVersions(environment: Environment): void {
  const t = semverType;
  const isSemver = (text: string, normalize = false) => readSemver(text, normalize).value !== undefined;
  const order = (a: SemverValue, b: SemverValue) => compareSemver(a.value, b.value);
  environment
    .type(t.name, t)
    .function('semver', overload([stringType], t, semverFrom), overload([stringType, boolType], t, semverFrom))
    .function('isSemver', overload([stringType], boolType, isSemver), overload([stringType, boolType], boolType, isSemver))
    .function(
      'isGreaterThan',
      member([t, t], boolType, (a: SemverValue, b: SemverValue) => order(a, b) > 0),
    )
    .function(
      'isLessThan',
      member([t, t], boolType, (a: SemverValue, b: SemverValue) => order(a, b) < 0),
    )
    .function(
      'compareTo',
      member([t, t], intType, (a: SemverValue, b: SemverValue) => BigInt(Math.sign(order(a, b)))),
    );
  for (const [i, name] of (['major', 'minor', 'patch'] as const).entries())
    environment.function(
      name,
      member([t], intType, ({ value }: SemverValue) => value.numbers[i] ?? 0n),
    );
}

interface NamedFormat {
  check(text: string): string[];
  /** Of the pattern behind it: what it costs by. */
  patternLength: number;
}

const prefixed = (check: (text: string) => string[]) => (text: string) => check(text.replace(/-$/, 'a'));
const like = (format: string, problem: string) => (text: string) => (hasFormat(format, text) ? [] : [problem]);

function uriProblems(text: string): string[] {
  try {
    parseRequestUri(text);
    return [];
  } catch (error) {
    if (error instanceof UrlError) return [error.message];
    throw error;
  }
}

const namedFormats: Readonly<Record<string, NamedFormat>> = {
  dns1123Label: { check: isDns1123Label, patternLength: 30 },
  dns1123Subdomain: { check: isDns1123Subdomain, patternLength: 60 },
  dns1035Label: { check: isDns1035Label, patternLength: 30 },
  qualifiedName: { check: isQualifiedName, patternLength: 60 },
  dns1123LabelPrefix: { check: prefixed(isDns1123Label), patternLength: 30 },
  dns1123SubdomainPrefix: { check: prefixed(isDns1123Subdomain), patternLength: 60 },
  dns1035LabelPrefix: { check: prefixed(isDns1035Label), patternLength: 30 },
  labelValue: { check: isLabelValue, patternLength: 40 },
  uri: { check: uriProblems, patternLength: 1286 },
  uuid: { check: like('uuid', 'does not match the UUID format'), patternLength: 84 },
  byte: { check: like('byte', 'invalid base64'), patternLength: 88 },
  date: { check: like('date', 'invalid date'), patternLength: 75 },
  datetime: { check: like('date-time', 'invalid datetime'), patternLength: 75 },
};

function declareFormats(environment: Environment): void {
  const named = (name: string) => {
    const format = Object.hasOwn(namedFormats, name) ? namedFormats[name] : undefined;
    return format ? Optional.of(new FormatValue(format)) : Optional.none;
  };
  const validate = ({ check }: FormatValue, text: string) => {
    const problems = check(text);
    return problems.length === 0 ? Optional.none : Optional.of(problems);
  };
  environment
    .type(formatType.name, formatType)
    .function('format.named', overload([stringType], optionalOfType(formatType), named))
    .function('validate', member([formatType, stringType], optionalOfType(listOf(stringType)), validate));
  for (const [name, format] of Object.entries(namedFormats)) {
    const value = new FormatValue(format);
    environment.function(
      `format.${name}`,
      overload([], formatType, () => value),
    );
  }
}

/** Every type that expressions may name beside the language's own. */
export function declareTypeFunctions(environment: Environment): void {
  declareQuantities(environment);
  declareUrls(environment);
  declareVersions(environment);
  declareFormats(environment);
}
