/** A watch over WebSocket (k8s.io/apiserver's watch handler): a message an event, text where the encoding is. */
import { WebSocket } from 'ws';
import { StatusError } from '../../api/index.ts';
import type { Clock } from '../../time/index.ts';
import type { Answer, Upgrade } from '../exchange.ts';
import type { Outcome } from '../pipeline/pipeline.ts';
import { statusAnswer } from '../pipeline/status-answer.ts';
import { negotiate } from '../representation/accept.ts';
import { encodeEvent, hasProtobuf } from '../representation/encode.ts';
import { present } from '../representation/present.ts';
import { acceptWebSocket, isWebSocket, offeredProtocols } from '../streaming/websocket.ts';

type Watch = Answer & { type: 'watch' };

/** Whether an outcome is to be sent so. */
export const isWebSocketWatch = ({ answer }: Outcome, upgrade: Upgrade): boolean => answer.type === 'watch' && isWebSocket(upgrade);

/** Resolves when it has been sent, or is broken off. A client that takes nothing for `stalledMs` is given up. */
function send(webSocket: WebSocket, message: Buffer, binary: boolean, clock: Clock, stalledMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.setTimer(stalledMs, () => webSocket.terminate(), { background: true });
    // A failed send means that the connection has gone, which ends the watch.
    webSocket.send(message, { binary }, () => {
      timer.cancel();
      resolve();
    });
  });
}

/**
 * Answers the handshake and sends the events until one side ends; resolves with the length of all messages. The answer is an
 * error instead where the client wants events in a form that there is not.
 */
export async function sendWebSocketWatch(
  { answer, context, delivery }: Outcome,
  upgrade: Upgrade,
  clock: Clock,
  stalledMs: number,
): Promise<number | Answer> {
  const { accept } = context;
  let representation: ReturnType<typeof negotiate>;
  let shown: Watch;
  try {
    representation = negotiate(accept, { protobuf: hasProtobuf(answer), cbor: context.cbor === true, stream: true });
    shown = present(answer, representation, context, clock.now()) as Watch; // a watch is shown as a watch
  } catch (error) {
    if (error instanceof StatusError) return statusAnswer(error);
    throw error;
  }
  const [protocol = ''] = offeredProtocols(upgrade);
  const webSocket = await acceptWebSocket(upgrade, protocol);
  if (webSocket === undefined) return 0;
  // What clients say is not listened to, but that they leave is.
  webSocket.on('error', () => webSocket.terminate());
  webSocket.on('message', () => {});
  webSocket.resume();
  const { encoding } = representation;
  let bytes = 0;
  for await (const batch of shown.events) {
    for (const event of batch) {
      if (webSocket.readyState !== WebSocket.OPEN) break;
      const message = encodeEvent(event, encoding);
      bytes += message.length;
      delivery.streamed?.(1, message.length);
      await send(webSocket, message, encoding !== 'json', clock, stalledMs);
    }
    if (webSocket.readyState !== WebSocket.OPEN) break;
  }
  webSocket.close();
  return bytes;
}
