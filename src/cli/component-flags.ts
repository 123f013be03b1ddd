/** Command lines of upstream's components: `--name=value`, `--name value`, `--name`. */

/** Flags of several values, which may also be given one by one. */
const lists = new Set(
  [
    'api-audiences authorization-mode cors-allowed-origins disable-admission-plugins enable-admission-plugins',
    'etcd-servers etcd-servers-overrides feature-gates kubelet-preferred-address-types oidc-required-claim oidc-signing-algs',
    'requestheader-allowed-names requestheader-extra-headers-prefix requestheader-group-headers requestheader-uid-headers',
    'requestheader-username-headers runtime-config service-account-issuer service-account-key-file service-cluster-ip-range',
    'strict-transport-security-directives tls-cipher-suites watch-cache-sizes controllers emulated-version',
  ].flatMap((line) => line.split(' ')),
);

/** What stands between values that are given one by one; undefined where the last counts. */
const separatorOf = (name: string) => (name === 'tls-sni-cert-key' ? ';' : lists.has(name) ? ',' : undefined);

/** The flags by name. Throws in upstream's words for what is none. */
export function componentFlags(component: string, words: readonly string[]): Record<string, string> {
  const flags: Record<string, string> = {};
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    const [, name = '', value] = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(word) ?? [];
    if (name === '') throw new Error(`${JSON.stringify(component)} does not take any arguments, got [${JSON.stringify(word)}]`);
    const next = words[i + 1];
    const isApart = value === undefined && next !== undefined && !next.startsWith('-');
    if (isApart) i++;
    const text = value ?? (isApart ? next : 'true');
    const [before, separator] = [flags[name], separatorOf(name)];
    flags[name] = before !== undefined && separator !== undefined ? `${before}${separator}${text}` : text;
  }
  return flags;
}
