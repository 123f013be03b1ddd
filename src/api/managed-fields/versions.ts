/**
 * Managers own fields of the version that they speak; what a write changes is compared in each of those versions. The object itself
 * is converted by whoever knows how, which may take its time: what needs it is written as steps that ask for conversions.
 */
import type { KubeObject } from '../resource.ts';
import type { StructNode } from '../schema/node.ts';
import type { FieldFilter } from './field-set.ts';

/** An object as one version has it. */
export interface InVersion {
  readonly apiVersion: string;
  readonly object: KubeObject;
}

/** A version's own view: its type, and the fields that the endpoint at hand resets there. */
export interface VersionView {
  readonly node: StructNode;
  readonly resetFields?: FieldFilter | undefined;
}

interface Conversion {
  readonly from: InVersion;
  readonly apiVersion: string;
}

type Converted = (InVersion & VersionView) | undefined;

/** What takes place in several versions; answers to its questions are undefined for versions that there are not (any more). */
export type Steps<T> = Generator<Conversion, T, Converted>;

/** Converts between the versions of one kind. */
export interface Versions {
  convert(from: InVersion, apiVersion: string): Promise<Converted>;
}

/** The object in another version; itself in its own. */
export function* inVersion(from: InVersion & VersionView, apiVersion: string): Steps<Converted> {
  return from.apiVersion === apiVersion ? from : yield { from, apiVersion };
}

/** Takes all versions for the same: what has one only, and tests. */
export function inOneVersion<T>(steps: Steps<T>, view: VersionView): T {
  let answer: Converted;
  for (;;) {
    const next = steps.next(answer);
    if (next.done) return next.value;
    answer = { ...view, ...next.value.from, apiVersion: next.value.apiVersion };
  }
}

export async function inVersions<T>(steps: Steps<T>, versions: Versions): Promise<T> {
  let answer: Converted;
  for (;;) {
    const next = steps.next(answer);
    if (next.done) return next.value;
    answer = await versions.convert(next.value.from, next.value.apiVersion);
  }
}
