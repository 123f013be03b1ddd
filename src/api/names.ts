/**
 * The rules of names, each a function that answers what is wrong, in upstream's words (`k8s.io/apimachinery/pkg/util/validation`
 * and `.../api/validate/content`), and nothing when all is well.
 */

/** The byte length of a string in UTF-8: what upstream's `len` counts. */
export function byteLength(value: string): number {
  let bytes = value.length;
  for (let i = 0; i < value.length; i++) {
    const unit = value.charCodeAt(i);
    if (unit < 0x80) continue;
    // A surrogate pair is two units and four bytes; any other unit past U+07FF is three bytes.
    bytes += unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 1 : 2;
  }
  return bytes;
}

const tooManyCharacters = (max: number) => `must be no more than ${max} characters`;
const tooManyBytes = (max: number) => `must be no more than ${max} bytes`;
const notBetween = (low: number, high: number) => `must be between ${low} and ${high}, inclusive`;

/** `MESSAGE (e.g. 'EXAMPLE', regex used for validation is 'PATTERN')`. */
export function regexMessage(message: string, pattern: string, ...examples: string[]): string {
  if (examples.length === 0) return `${message} (regex used for validation is '${pattern}')`;
  return `${message} (e.g. ${examples.map((e) => `'${e}', `).join(' or ')}regex used for validation is '${pattern}')`;
}

interface Rule {
  pattern: RegExp;
  message: string;
}

function rule(pattern: string, message: string, ...examples: string[]): Rule {
  return { pattern: new RegExp(`^(?:${pattern})$`), message: regexMessage(message, pattern, ...examples) };
}

const labelPattern = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const subdomainPattern = `${labelPattern}(\\.${labelPattern})*`;
const underscoreLabelPattern = '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
const qualifiedNamePattern = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';

const dns1123LabelRule = rule(
  labelPattern,
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
  'my-name',
  '123-abc',
);
const dns1123SubdomainRule = rule(
  subdomainPattern,
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
  'example.com',
);
const dns1123SubdomainWithUnderscoreRule = rule(
  `${underscoreLabelPattern}(\\.${underscoreLabelPattern})*`,
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character",
  'example.com',
);
const dns1035LabelRule = rule(
  '[a-z]([-a-z0-9]*[a-z0-9])?',
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
  'my-name',
  'abc-123',
);
const wildcardSubdomainRule = rule(
  `\\*\\.${subdomainPattern}`,
  "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
  '*.example.com',
);
const qualifiedNameRule = rule(
  qualifiedNamePattern,
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  'MyName',
  'my.name',
  '123-abc',
);
const labelValueRule = rule(
  `(${qualifiedNamePattern})?`,
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  'MyValue',
  'my_value',
  '12345',
);
const cIdentifierRule = rule(
  '[A-Za-z_][A-Za-z0-9_]*',
  "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'",
  'my_name',
  'MY_NAME',
  'MyName',
);
const percentRule = rule('[0-9]+%', "a valid percent string must be a numeric string followed by an ending '%'", '1%', '93%');
const httpHeaderRule = rule('[-A-Za-z0-9]+', "a valid HTTP header must consist of alphanumeric characters or '-'", 'X-Header-Name');
const configMapKeyRule = rule(
  '[-._a-zA-Z0-9]+',
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
  'key.name',
  'KEY_NAME',
  'key-name',
);

const follows = ({ pattern, message }: Rule, value: string): string[] => (pattern.test(value) ? [] : [message]);

function withinLength(value: string, max: number, message: (max: number) => string): string[] {
  // A string has at most three bytes a code unit, so short ones need no count.
  return value.length * 3 > max && byteLength(value) > max ? [message(max)] : [];
}

/** RFC 1123 label: one part of a DNS name; names of pods' containers, namespaces, services' ports. */
export function isDns1123Label(value: string): string[] {
  const wrong = withinLength(value, 63, tooManyCharacters);
  if (!dns1123LabelRule.pattern.test(value))
    wrong.push(dns1123SubdomainRule.pattern.test(value) ? 'must not contain dots' : dns1123LabelRule.message);
  return wrong;
}

/** RFC 1123 subdomain: dotted labels; most objects' names. */
export function isDns1123Subdomain(value: string): string[] {
  return [...withinLength(value, 253, tooManyCharacters), ...follows(dns1123SubdomainRule, value)];
}

/** As `isDns1123Subdomain`, with underscores (names in a pod's `dnsConfig.searches`). */
export function isDns1123SubdomainWithUnderscore(value: string): string[] {
  return [...withinLength(value, 253, tooManyCharacters), ...follows(dns1123SubdomainWithUnderscoreRule, value)];
}

/** RFC 1035 label: starts with a letter; names of services before 1.35. */
export function isDns1035Label(value: string): string[] {
  return [...withinLength(value, 63, tooManyCharacters), ...follows(dns1035LabelRule, value)];
}

/** `*.example.com`, in Ingress hosts. */
export function isWildcardDns1123Subdomain(value: string): string[] {
  return [...withinLength(value, 253, tooManyCharacters), ...follows(wildcardSubdomainRule, value)];
}

/** `name` or `prefix.example.com/name`: label keys, finalizers, resource names. */
export function isQualifiedName(value: string): string[] {
  const parts = value.split('/');
  const wrong: string[] = [];
  const name = parts.length === 2 ? (parts[1] ?? '') : value;
  if (parts.length > 2)
    return [`a valid label key ${qualifiedNameRule.message} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`];
  if (parts.length === 2) {
    const prefix = parts[0] ?? '';
    const messages =
      prefix === '' ? ['must be non-empty'] : [...withinLength(prefix, 253, tooManyBytes), ...follows(dns1123SubdomainRule, prefix)];
    wrong.push(...messages.map((m) => `prefix part ${m}`));
  }
  if (name === '') wrong.push('name part must be non-empty');
  else wrong.push(...withinLength(name, 63, tooManyBytes).map((m) => `name part ${m}`));
  if (!qualifiedNameRule.pattern.test(name)) wrong.push(`name part ${qualifiedNameRule.message}`);
  return wrong;
}

/** A label's value: empty, or up to 63 letters, digits, `-`, `_` and `.`. */
export function isLabelValue(value: string): string[] {
  return [...withinLength(value, 63, tooManyBytes), ...follows(labelValueRule, value)];
}

export function isCIdentifier(value: string): string[] {
  return follows(cIdentifierRule, value);
}

/** A port that can be listened on: 1 to 65535. */
export function isPortNumber(port: number): string[] {
  return port >= 1 && port <= 65535 ? [] : [notBetween(1, 65535)];
}

export function isInRange(value: number, low: number, high: number): string[] {
  return value >= low && value <= high ? [] : [notBetween(low, high)];
}

/** A numeric user or group id. */
export function isUserOrGroupId(id: number): string[] {
  return isInRange(id, 0, 2147483647);
}

/** An IANA service name (RFC 6335), lower case: a container port's name. */
export function isPortName(value: string): string[] {
  const wrong = withinLength(value, 15, tooManyCharacters);
  if (!/^[-a-z0-9]+$/.test(value)) wrong.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  if (!/[a-z]/.test(value)) wrong.push('must contain at least one letter (a-z)');
  if (value.includes('--')) wrong.push('must not contain consecutive hyphens');
  if (value.startsWith('-') || value.endsWith('-')) wrong.push('must not begin or end with a hyphen');
  return wrong;
}

/** `25%`. */
export function isPercent(value: string): string[] {
  return follows(percentRule, value);
}

export function isHttpHeaderName(value: string): string[] {
  return follows(httpHeaderRule, value);
}

function noParentDirectory(value: string): string[] {
  if (value === '.') return ["must not be '.'"];
  if (value === '..') return ["must not be '..'"];
  return value.startsWith('..') ? ["must not start with '..'"] : [];
}

/** Any printable ASCII except `=` (KEP-4369): a container's environment variable name. */
export function isRelaxedEnvVarName(value: string): string[] {
  if (value === '') return ['environment variable name must be non-empty'];
  return /^[ -<>-~]+$/.test(value)
    ? []
    : ["a valid environment variable name must consist only of printable ASCII characters other than '='"];
}

/** A key of a ConfigMap's or Secret's data. */
export function isConfigMapKey(value: string): string[] {
  return [...withinLength(value, 253, tooManyCharacters), ...follows(configMapKeyRule, value), ...noParentDirectory(value)];
}

/** A name that can be a segment of a URL path: names of RBAC objects, which may hold `:`. With `prefix`, of a generateName. */
export function isPathSegmentName(value: string, prefix = false): string[] {
  const wrong: string[] = [];
  if (!prefix && value === '.') return ["may not be '.'"];
  if (!prefix && value === '..') return ["may not be '..'"];
  for (const illegal of ['/', '%']) if (value.includes(illegal)) wrong.push(`may not contain '${illegal}'`);
  return wrong;
}

/** What a kind's name must be; for a generateName (`prefix`) a trailing dash is allowed. */
export type NameRule = (name: string, prefix: boolean) => string[];

/** A generateName ends in a dash that the random suffix follows: it is checked with a letter in the dash's place. */
function maskTrailingDash(name: string): string {
  return name.length > 1 && name.endsWith('-') ? `${name.slice(0, -2)}a` : name;
}

const nameRule =
  (check: (value: string) => string[]): NameRule =>
  (name, prefix) =>
    check(prefix ? maskTrailingDash(name) : name);

export const nameIsDnsSubdomain: NameRule = nameRule(isDns1123Subdomain);
export const nameIsDnsLabel: NameRule = nameRule(isDns1123Label);
export const nameIsPathSegment: NameRule = isPathSegmentName;

/** How many random characters follow a generateName, and how long a generated name may become. */
export const generatedSuffixLength = 5;
export const maxGeneratedNameLength = 63;

/** A generateName cut so that the name with its random suffix is at most 63 characters. */
export function generateNameBase(generateName: string): string {
  return generateName.slice(0, maxGeneratedNameLength - generatedSuffixLength);
}

/** The alphabet of random suffixes: no vowels, and none of 0, 1, 3 that read like letters (upstream's `rand.String`). */
export const suffixAlphabet = 'bcdfghjklmnpqrstvwxz2456789';
