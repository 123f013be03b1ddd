import type { StatusError } from '../../api/index.ts';
import type { Answer } from '../exchange.ts';

export function statusAnswer(error: StatusError): Answer & { type: 'object' } {
  return { type: 'object', status: error.code, item: { object: error.status } };
}
