/** What looks on while an answer is sent: the audit log, metrics, the request log, traces. */
import type { Answer } from '../exchange.ts';

export interface Delivery {
  /** The answer as the client gets it is about to be sent, in this form. Whoever sends it waits where this takes its time. */
  answered(answer: Answer, mediaType?: string): void | Promise<void>;
  /** Events of a watch are about to be sent; `bytes` undefined in process, where none are made. */
  streamed?(events: number, bytes: number | undefined): void;
  /** It has been sent, or the client has gone. `bytes`: how long its body was; `broken`: the server has broken it off. */
  finished(bytes: number, broken?: boolean): void;
}
