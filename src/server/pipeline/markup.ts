/** A text with nothing that a browser takes for HTML (k8s.io/apiserver's sanitizer). */
export const withoutMarkup = (text: string): string =>
  /[&<>]/.test(text) ? text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;') : text;
