/**
 * /statusz and /flagz (KEP-4827, KEP-4828): what a component says of itself, as text for people or, where it is asked for by name and
 * version (`Accept: application/json;g=config.k8s.io;v=v1beta1;as=Statusz`), as an object.
 */

import { encodeCbor, errors } from '../../api/index.ts';
import { type BuildInfo, versionInfo } from '../../observability/index.ts';
import type { Clock, Random } from '../../time/index.ts';
import { type Answer, type RequestContext, textAnswer } from '../exchange.ts';
import { parseAccept } from '../representation/accept.ts';
import { toYaml } from '../representation/yaml.ts';

export interface ZPagesOptions {
  /** Of the component, as upstream calls it here: `apiserver`, `kube-scheduler`. */
  component: string;
  clock: Clock;
  random: Random;
  /** When the process began, milliseconds since the epoch. */
  startMs: number;
  /** The paths that the component answers; of those that are of the same folder it is named. */
  paths(): readonly string[];
  /** Each flag and its value. Undefined: /flagz is not served (--feature-gates=ComponentFlagz=false). */
  flags?: (() => Readonly<Record<string, string>>) | undefined;
  /** Default true (--feature-gates=ComponentStatusz). */
  statusz?: boolean | undefined;
  /** Of which build; default: this one's. */
  version?: Partial<BuildInfo> | undefined;
}

type Page = 'Statusz' | 'Flagz';

const pages = new Map<string, Page>([
  ['/statusz', 'Statusz'],
  ['/flagz', 'Flagz'],
]);
const group = 'config.k8s.io';
const versions = new Set(['v1alpha1', 'v1beta1']);
const deprecated = 'v1alpha1';

/** Upstream draws one, so that nobody parses the text. */
const delimiters = [':', ': ', '=', ' '];

/** What is no help in looking for faults. */
const nonDebugging = new Set(['/apis', '/api', '/openid', '/openapi', '/.well-known']);

function folders(paths: readonly string[]): string[] {
  const found = new Set<string>();
  for (const path of paths) {
    const [, first] = path.split('/');
    if (first && !nonDebugging.has(`/${first}`)) found.add(`/${first}`);
  }
  return [...found].sort();
}

const two = (value: number) => String(value).padStart(2, '0');

/** As Go's time.UnixDate: `Mon Jan  2 15:04:05 UTC 2006`. */
function unixDate(date: Date): string {
  const [weekday, day, month, year] = date.toUTCString().replace(',', '').split(' ');
  return `${weekday} ${month} ${String(Number(day)).padStart(2)} ${date.toISOString().slice(11, 19)} UTC ${year}`;
}

const upTime = (seconds: number) => `${Math.floor(seconds / 3600)} hr ${two(Math.floor(seconds / 60) % 60)} min ${two(seconds % 60)} sec`;

const header = (component: string, page: Page) =>
  `\n${component} ${page.toLowerCase()}\nWarning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for debugging purposes only.\n`;

interface Wish {
  mediaType: string;
  version?: string;
}

/** The first wish that can be met: text as it is, the others in a version that is named. */
function negotiate(context: RequestContext, page: Page): Wish {
  if (context.accept.trim() === '') return { mediaType: 'text/plain' };
  const offered = ['application/json', 'application/yaml', 'text/plain', ...(context.cbor ? ['application/cbor'] : [])];
  for (const { type, parameters } of parseAccept(context.accept)) {
    const converts = parameters.has('as') || parameters.has('g') || parameters.has('v');
    const version = parameters.get('v') ?? '';
    const isKnown = parameters.get('as') === page && parameters.get('g') === group && versions.has(version);
    for (const mediaType of offered) {
      if (type !== mediaType && type !== '*/*' && type !== `${mediaType.split('/')[0]}/*`) continue;
      if (mediaType === 'text/plain' ? !converts : isKnown) return { mediaType, ...(converts ? { version } : {}) };
    }
  }
  throw errors.notAcceptable(offered);
}

/** The route of the component's pages. */
export function zPages(options: ZPagesOptions): (context: RequestContext) => Answer | undefined {
  const { component, clock, random, startMs, flags, statusz = true } = options;
  const { goVersion, gitVersion, major, minor } = versionInfo(options.version);
  const status = () => ({
    startTime: new Date(startMs).toISOString().replace(/\.\d+Z$/, 'Z'),
    uptimeSeconds: Math.max(0, Math.floor((clock.now() - startMs) / 1000)),
    goVersion,
    binaryVersion: gitVersion.replace(/^v/, ''),
    emulationVersion: `${major}.${minor}`,
    paths: folders(options.paths()),
  });
  const content = (page: Page): object => (page === 'Statusz' ? status() : { flags: flags?.() ?? {} });
  const text = (page: Page): string => {
    const delimiter = delimiters[Math.floor(random.next() * delimiters.length)] ?? ':';
    if (page === 'Flagz') {
      const given = flags?.() ?? {};
      const lines = Object.keys(given).sort();
      return header(component, page) + lines.map((name) => `${name}${delimiter}${given[name]}\n`).join('');
    }
    const { uptimeSeconds, binaryVersion, emulationVersion, paths } = status();
    const lines = [
      ['Started', unixDate(new Date(startMs))],
      ['Up', upTime(uptimeSeconds)],
      ['Go version', goVersion],
      ['Binary version', binaryVersion],
      ['Emulation version', emulationVersion],
      ...(paths.length > 0 ? [['Paths', paths.join(' ')]] : []),
    ];
    return `${header(component, page)}\n${lines.map(([name, value]) => `${name}${delimiter} ${value}\n`).join('')}`;
  };
  return (context) => {
    const page = pages.get(context.path);
    if (page === undefined || (page === 'Statusz' ? !statusz : flags === undefined)) return undefined;
    const { mediaType, version = '' } = negotiate(context, page);
    if (mediaType === 'text/plain') return textAnswer(text(page));
    if (version === deprecated)
      context.warn(`This version of the ${page.toLowerCase()} endpoint is deprecated. Please use a newer version.`);
    const object = { kind: page, apiVersion: `${group}/${version}`, metadata: { name: component }, ...content(page) };
    if (mediaType === 'application/cbor') return { type: 'raw', status: 200, contentType: mediaType, body: encodeCbor(object) };
    return textAnswer(mediaType === 'application/json' ? `${JSON.stringify(object)}\n` : toYaml(object), 200, mediaType);
  };
}
