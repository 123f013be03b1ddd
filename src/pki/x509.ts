/**
 * The certificate library, loaded when something is first issued: it costs some 60 ms to load, and a cluster that starts for the
 * second time issues nothing. Reading certificates is Node's own `X509Certificate`.
 */
let loading: Promise<typeof import('@peculiar/x509')> | undefined;

export function x509(): Promise<typeof import('@peculiar/x509')> {
  loading ??= (async () => {
    // @peculiar/x509 registers its algorithms through tsyringe, which wants this polyfill before it.
    await import('reflect-metadata');
    return import('@peculiar/x509');
  })();
  return loading;
}
