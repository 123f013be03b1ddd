/**
 * Several errors' messages as one, as k8s.io/apimachinery's aggregates put it: `one`, or `[one, another]`; what is said twice is said
 * once. Empty where there are none.
 */
export function aggregateMessage(messages: Iterable<string>): string {
  const distinct = [...new Set(messages)];
  return distinct.length > 1 ? `[${distinct.join(', ')}]` : (distinct[0] ?? '');
}

/** The same of the errors themselves: the first, where all say the same; undefined where there are none. */
export function aggregateError(errors: readonly Error[]): Error | undefined {
  const [first] = errors;
  if (!first) return undefined;
  const message = aggregateMessage(errors.map((error) => error.message));
  return first.message === message ? first : new Error(message, { cause: first });
}
