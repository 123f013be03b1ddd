/** References to images (k8s.io/apiserver/pkg/cel/library/image.go, which reads them as go-containerregistry does). */
import { type Environment, member, overload } from './declarations.ts';
import { boolType, opaqueType, stringType } from './types.ts';
import { CelError, OpaqueValue } from './values.ts';

const imageType = opaqueType('kubernetes.Image');
const defaultRegistry = 'index.docker.io';

interface ImageReference {
  registry: string;
  repository: string;
  tag: string;
  digest: string;
}

class ImageValue extends OpaqueValue {
  readonly type = imageType;
  readonly value: ImageReference;
  constructor(value: ImageReference) {
    super();
    this.value = value;
  }
  override equals(other: unknown): boolean {
    return other instanceof ImageValue && JSON.stringify(this.value) === JSON.stringify(other.value);
  }
}

function readRepository(name: string): Pick<ImageReference, 'registry' | 'repository'> | undefined {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const isRegistry = /[.:]/.test(first) || first === 'localhost';
  const registry = !isRegistry || first === 'docker.io' ? defaultRegistry : first;
  const repository = isRegistry ? name.slice(slash + 1) : name;
  if (!/^[a-z0-9_\-./]{2,255}$/.test(repository) || /^\/|\/\/|\/$/.test(repository)) return undefined;
  if (!/^[A-Za-z0-9.[\]-]+(?::\d+)?$/.test(registry)) return undefined;
  const isImplicit = registry === defaultRegistry && !repository.includes('/');
  return { registry, repository: isImplicit ? `library/${repository}` : repository };
}

function splitTag(name: string): { base: string; tag: string | undefined } {
  const colon = name.lastIndexOf(':');
  if (colon < 0 || name.slice(colon).includes('/')) return { base: name, tag: undefined };
  return { base: name.slice(0, colon), tag: name.slice(colon + 1) };
}

function readImage(text: string): ImageReference | undefined {
  const [name = '', digest, more] = text.split('@');
  if (more !== undefined || (digest !== undefined && !/^sha256:[0-9a-f]{64}$/.test(digest))) return undefined;
  const { base, tag } = splitTag(name);
  if (tag !== undefined && !/^[A-Za-z0-9_.-]{1,128}$/.test(tag)) return undefined;
  const repository = readRepository(base);
  return repository && { ...repository, tag: digest === undefined ? (tag ?? 'latest') : '', digest: digest ?? '' };
}

export function declareImageFunctions(environment: Environment): void {
  const part = (name: string, read: (image: ImageReference) => string) =>
    environment.function(
      name,
      member([imageType], stringType, ({ value }: ImageValue) => read(value)),
    );
  environment
    .type(imageType.name, imageType)
    .function(
      'isImage',
      overload([stringType], boolType, (text: string) => readImage(text) !== undefined),
    )
    .function(
      'image',
      overload([stringType], imageType, (text: string) => {
        const value = readImage(text);
        if (!value) throw new CelError(`could not parse reference: ${text}`);
        return new ImageValue(value);
      }),
    )
    .function(
      'containsDigest',
      member([imageType], boolType, ({ value }: ImageValue) => value.digest !== ''),
    );
  part('registry', ({ registry }) => registry);
  part('repository', ({ repository }) => repository);
  part('identifier', ({ tag, digest }) => digest || tag);
  part('tag', ({ tag }) => tag);
  part('digest', ({ digest }) => digest);
}
