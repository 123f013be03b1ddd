/** Clients that do random things to a few objects and note what they are told. */

import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '../../../src/time/index.ts';
import type { Call, History, Key, ObjectState, Operation } from '../history.ts';
import { type Connection, type Json, NotSentError } from './connection.ts';
import { answerOf, namespaces, wireRequest } from './wire.ts';

/** Few, so that clients meet; more than a page. */
export const keys: readonly Key[] = namespaces.flatMap((namespace) => [0, 1, 2, 3, 4].map((i) => `${namespace}/k${i}`));
export const colors = ['red', 'blue'] as const;

export const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random.next() * from.length)] as T;
export const chance = (random: Random, probability: number): boolean => random.next() < probability;

export interface Recorder {
  history: History;
  /** Milliseconds since the run began. */
  now(): number;
  nextId(): number;
  /** What was last heard of an object, by anybody. */
  heard: Map<Key, ObjectState>;
  /** Revisions that were heard of lately. */
  recent: number[];
}

export function hear(recorder: Recorder, key: Key | undefined, state: ObjectState): void {
  if (key) recorder.heard.set(key, state);
  recorder.recent.push(state.revision);
  if (recorder.recent.length > 200) recorder.recent.shift();
}

/** One request, noted. `token` continues a list. */
export async function perform(
  recorder: Recorder,
  client: string,
  connection: Connection,
  call: Call,
  token?: string,
): Promise<Operation & { token?: string; afresh?: true }> {
  const { method, path, body, contentType } = wireRequest(call, token);
  const operation: Operation = {
    entry: 'operation',
    ...{ id: recorder.nextId(), client, server: connection.server, call },
    ...{ invokedAt: recorder.now(), answeredAt: Number.POSITIVE_INFINITY, outcome: 'unknown' as const },
  };
  let next: string | undefined;
  try {
    const reply = await connection.send(method, path, { ...(body === undefined ? {} : { body }), ...(contentType ? { contentType } : {}) });
    operation.answeredAt = recorder.now();
    operation.status = reply.status;
    if (reply.status < 300) {
      const { token: following, ...answer } = answerOf(call, reply.body);
      Object.assign(operation, answer, { outcome: 'done' });
      next = following;
    } else {
      operation.message = String(reply.body.message);
      next = freshToken(reply.body);
      // Errors of the server itself say nothing certain of writes; too many requests were never begun.
      operation.outcome = reply.status === 429 ? 'failed' : reply.status < 500 ? 'refused' : 'unknown';
    }
  } catch (error) {
    operation.answeredAt = recorder.now();
    operation.outcome = error instanceof NotSentError ? 'failed' : 'unknown';
    operation.message = error instanceof Error ? error.message : String(error);
  }
  if (operation.state && 'key' in call) hear(recorder, call.key, operation.state);
  for (const item of operation.list?.items ?? []) hear(recorder, item.key, item.state);
  recorder.history.operations.push(operation);
  return { ...operation, ...(next ? { token: next } : {}), ...(next && !operation.list ? { afresh: true } : {}) };
}

/** Where the revision of a list is no longer kept, the answer says how to go on with what is there now. */
const freshToken = (status: Json): string | undefined => (status.metadata as { continue?: string } | undefined)?.continue;

/** The request for the page after this one; from any server: the token says everything. */
function nextPage({ id, call, afresh }: Operation & { afresh?: true }): Call {
  if (call.verb !== 'list') return call;
  const { afresh: _, continues, ...rest } = call;
  return afresh ? { ...rest, ...(continues === undefined ? {} : { continues }), afresh } : { ...rest, continues: id };
}

/** A random request; what it says of versions is what was heard, mostly lately, so that it is sometimes true. */
export function randomCall(recorder: Recorder, client: string, random: Random): Call {
  const key = pick(random, keys);
  const color = pick(random, colors);
  const value = `${client}-${recorder.nextId()}`;
  const heard = recorder.heard.get(key);
  const ifRevision = heard && chance(random, 0.6) ? { ifRevision: heard.revision } : {};
  const at = random.next();
  if (at < 0.16) return { verb: 'create', key, value, color };
  if (at < 0.28) return { verb: 'update', key, value, color, ...ifRevision };
  if (at < 0.4) {
    const type = pick(random, ['merge', 'strategic', 'json'] as const);
    if (type === 'json') return { verb: 'patch', type, key, value, ifValue: heard?.value ?? 'never' };
    return { verb: 'patch', type, key, value, ...ifRevision };
  }
  if (at < 0.46) return { verb: 'apply', key, value, color };
  if (at < 0.6) return { verb: 'delete', key, ...ifRevision, ...(heard && chance(random, 0.3) ? { ifUid: heard.uid } : {}) };
  if (at < 0.62) return { verb: 'deletecollection', namespace: pick(random, namespaces), ...(chance(random, 0.8) ? { color } : {}) };
  const recent = recorder.recent.length > 0 ? String(pick(random, recorder.recent)) : '0';
  const version = pick(random, ['', '', '', '0', recent]);
  if (at < 0.82) return { verb: 'get', key, version };
  return {
    verb: 'list',
    ...(chance(random, 0.5) ? { namespace: pick(random, namespaces) } : {}),
    ...(chance(random, 0.3) ? { color } : {}),
    ...listing(random, recent),
  };
}

function listing(random: Random, recent: string): { version: string; match?: 'Exact' | 'NotOlderThan'; limit?: number } {
  const limit = chance(random, 0.5) ? { limit: 1 + Math.floor(random.next() * 4) } : {};
  switch (pick(random, ['newest', 'newest', 'any', 'at', 'exact', 'not older'] as const)) {
    case 'newest':
      return { version: '', ...limit };
    case 'any':
      return { version: '0' };
    case 'at':
      return { version: recent, ...limit };
    case 'exact':
      return { version: recent, match: 'Exact', ...limit };
    case 'not older':
      return { version: recent, match: 'NotOlderThan', ...limit };
  }
}

export interface ClientOptions {
  name: string;
  recorder: Recorder;
  connections: readonly Connection[];
  random: Random;
  /** Milliseconds between requests, on average. */
  thinkMs: number;
}

/** Goes on until the signal is aborted; pages lists to their end, with other things in between. */
export async function runClient({ name, recorder, connections, random, thinkMs }: ClientOptions, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const connection = pick(random, connections);
    let done = await perform(recorder, name, connection, randomCall(recorder, name, random));
    while (done.token && done.call.verb === 'list' && !signal.aborted) {
      await pause(random.next() * thinkMs * 2);
      done = await perform(recorder, name, pick(random, connections), nextPage(done), done.token);
    }
    await pause((done.outcome === 'failed' ? 4 : 1) * thinkMs * 2 * random.next());
  }
}
