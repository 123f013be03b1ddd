import type { Selector } from '../../api/index.ts';

/** A text that determines what a selector selects; a selector of nothing has one of its own. */
export function selectorKey(selector: Selector): string {
  return selector.everything ? '*' : selector.toString() || '!';
}
