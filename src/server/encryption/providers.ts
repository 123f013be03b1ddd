/** The transformers that a configuration describes. */
import type { Logger } from 'pino';
import { aggregateError } from '../../api/index.ts';
import type { Clock } from '../../time/index.ts';
import { aesCbc, aesGcm } from './aes.ts';
import type { EncryptionConfiguration, KeyConfiguration, KmsConfiguration, ProviderConfiguration } from './configuration.ts';
import { envelopeTransformer } from './kms/envelope.ts';
import { type KeyRing, openKeyRing } from './kms/write-key.ts';
import type { EncryptionMetrics, TransformationMetrics } from './metrics.ts';
import { everything, type GroupResource, nameOf, parseGroupResource } from './resource-names.ts';
import { secretbox } from './secretbox.ts';
import { identity, type PrefixTransformer, prefixTransformers, type Transformer } from './transformer.ts';

export interface ProviderOptions {
  clock: Clock;
  logger: Logger | undefined;
  metrics: EncryptionMetrics;
}

export interface Providers {
  /** For values of a resource; `identity` where the configuration does not name it. */
  transformerOf(resource: GroupResource): Transformer;
  /** Opens a value of whatever resource: for readers that see keys only. */
  readonly any: Transformer;
  readonly usesKms: boolean;
  /** How long a call to any KMS may still be under way, and some more. */
  readonly graceMs: number;
  /** Rejects with which of the KMS are not healthy. */
  checkKms(): Promise<void>;
  close(): void;
}

/** What a provider does is measured by resource. */
type Provider = (metrics: TransformationMetrics) => PrefixTransformer;

function keyed(prefix: string, keys: readonly KeyConfiguration[], cipher: (key: Buffer) => Transformer, what: string): Provider {
  const [first, ...rest] = keys.map(
    ({ name, secret }): PrefixTransformer => ({ prefix: `${name}:`, transformer: cipher(Buffer.from(secret, 'base64')) }),
  );
  if (!first) throw new Error(`${what} provider has no valid keys`);
  const unmatched = `no matching key was found for the provided ${what} transformer`;
  return (metrics) => ({ prefix, transformer: prefixTransformers([first, ...rest], unmatched, metrics) });
}

interface Kms {
  ring: KeyRing;
  timeoutMs: number;
  close(): void;
}

const kmsV1Refused =
  'KMSv1 is deprecated and will only receive security updates going forward. Use KMSv2 instead.  ' +
  'Set --feature-gates=KMSv1=true to use the deprecated KMSv1 feature.';

export async function openProviders(configuration: EncryptionConfiguration, options: ProviderOptions): Promise<Providers> {
  const { clock, logger, metrics } = options;
  const lifetime = new AbortController();
  const kms: Kms[] = [];
  const close = () => {
    lifetime.abort(new Error('the encryption configuration is no longer in use'));
    for (const each of kms) each.close();
  };

  const openKms = async ({ apiVersion, name, endpoint, timeoutMs }: KmsConfiguration): Promise<Provider> => {
    if (apiVersion === 'v1') throw new Error(kmsV1Refused);
    // gRPC takes a while to load: only who needs it does.
    const { openKeyService } = await import('./kms/key-service.ts');
    const service = openKeyService({ name, endpoint, timeoutMs, clock, metrics });
    const ring = await openKeyRing({ name, service, clock, logger, metrics, signal: lifetime.signal });
    kms.push({ ring, timeoutMs, close: () => service.close() });
    const known = { prefix: `k8s:enc:kms:v2:${name}:`, transformer: envelopeTransformer({ name, service, keys: ring, clock, metrics }) };
    return () => known;
  };

  const open = async ({ aesgcm, aescbc, secretbox: box, kms: service }: ProviderConfiguration): Promise<Provider> => {
    if (aesgcm) return keyed('k8s:enc:aesgcm:v1:', aesgcm.keys, aesGcm, 'AES');
    if (aescbc) return keyed('k8s:enc:aescbc:v1:', aescbc.keys, aesCbc, 'AES');
    if (box) return keyed('k8s:enc:secretbox:v1:', box.keys, secretbox, 'Secretbox');
    return service ? openKms(service) : () => ({ prefix: '', transformer: identity });
  };

  const lists = new Map<string, Provider[]>();
  const all: Provider[] = [];
  try {
    for (const { resources, providers } of configuration.resources) {
      const opened: Provider[] = [];
      // In turn, as their order is that of the health check.
      for (const provider of providers) opened.push(await open(provider));
      for (const resource of resources.map(parseGroupResource)) {
        for (const rule of [{ group: resource.group, resource: '*' }, everything])
          if (lists.has(nameOf(rule)))
            throw new Error(`resource ${JSON.stringify(nameOf(resource))} is masked by earlier rule ${JSON.stringify(nameOf(rule))}`);
        const name = nameOf(resource);
        lists.set(name, [...(lists.get(name) ?? []), ...opened]);
      }
      all.push(...opened);
    }
  } catch (error) {
    close();
    throw new Error(`error while building transformers: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }

  const transformer = (list: readonly Provider[], resource: string): Transformer => {
    const measured = metrics.of(resource);
    const [first, ...rest] = list.map((provider) => provider(measured));
    return first ? prefixTransformers([first, ...rest], 'no matching prefix found', measured) : identity;
  };

  return {
    transformerOf({ group, resource }) {
      const list =
        lists.get(nameOf({ group, resource })) ?? lists.get(nameOf({ group, resource: '*' })) ?? lists.get(nameOf(everything)) ?? [];
      return transformer(list, nameOf({ group, resource }));
    },
    any: transformer([...all, () => ({ prefix: '', transformer: identity })], ''),
    usesKms: kms.length > 0,
    graceMs: 2 * kms.reduce((sum, { timeoutMs }) => sum + timeoutMs, 0),
    async checkKms() {
      const errors: Error[] = [];
      for (const [i, { ring }] of kms.entries())
        await ring.check().catch((error) => errors.push(new Error(`kms-provider-${i}: ${error.message}`, { cause: error })));
      const failure = aggregateError(errors);
      if (failure) throw failure;
    },
    close,
  };
}
