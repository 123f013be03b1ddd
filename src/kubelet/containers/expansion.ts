/** Replaces `$(NAME)` by what `lookup` knows; `$$` is a literal dollar; what is not known stays (k8s.io/kubernetes/third_party/forked/golang/expansion's rules). */
export function expand(text: string, lookup: (name: string) => string | undefined): string {
  return text.replace(/\$(?:\$|\(([^)]*)\))/g, (whole, name: string | undefined) => (name === undefined ? '$' : (lookup(name) ?? whole)));
}
