import type { KubeObject } from '../resource.ts';

type Values = Readonly<Record<string, unknown>>;

/** What a conversion has made of an object, and of what. */
interface Known {
  /** The object's parts but metadata, and what of metadata a conversion may change. */
  content: readonly unknown[];
  metadata: readonly unknown[];
  converted: KubeObject;
}

// A wire object's fields are open to be walked.
const entriesOf = (values: object) => Object.entries(values as Values).flat();

function contentOf({ metadata, ...rest }: KubeObject): unknown[] {
  return [...entriesOf(rest), metadata.labels, metadata.annotations];
}

const same = (a: readonly unknown[], b: readonly unknown[]) => a.length === b.length && a.every((value, i) => value === b[i]);

/**
 * Remembers conversions by object: lists, tables and watches ask for the same again. What is being written is changed in the
 * meantime, part by part: it is converted anew, unless only such metadata is other than it was as no conversion touches.
 */
export class ConvertedObjects {
  readonly #known = new WeakMap<KubeObject, Known>();

  get(object: KubeObject): KubeObject | undefined {
    const known = this.#known.get(object);
    if (!known || !same(known.content, contentOf(object))) return undefined;
    if (same(known.metadata, entriesOf(object.metadata))) return known.converted;
    const { labels: _labels, annotations: _annotations, ...metadata } = object.metadata;
    const { labels, annotations } = known.converted.metadata;
    const converted = {
      ...known.converted,
      metadata: { ...metadata, ...(labels ? { labels } : {}), ...(annotations ? { annotations } : {}) },
    };
    this.set(object, converted);
    return converted;
  }

  set(object: KubeObject, converted: KubeObject): void {
    this.#known.set(object, { content: contentOf(object), metadata: entriesOf(object.metadata), converted });
  }
}
