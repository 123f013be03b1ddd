/**
 * Deals each flow a few of a priority level's queues, so that a flow that floods its queues leaves every other flow one that is
 * free (k8s.io/apiserver/pkg/util/shufflesharding).
 */
import { createHash } from 'node:crypto';

/** The flow's hash: the first eight bytes of SHA-256 over the schema's name and the distinguisher. */
export function flowHash(schema: string, distinguisher: string): bigint {
  return createHash('sha256').update(schema).update('\0').update(distinguisher).digest().readBigUInt64LE(0);
}

/** `handSize` different numbers below `deckSize`, as the hash says. */
export function deal(hash: bigint, deckSize: number, handSize: number): number[] {
  const hand: number[] = [];
  let rest = hash;
  for (let i = 0; i < handSize; i++) {
    const left = BigInt(deckSize - i);
    let card = Number(rest % left);
    rest /= left;
    // The card-th of those that are still in the deck.
    for (const dealt of hand.toSorted((a, b) => a - b)) if (card >= dealt) card++;
    hand.push(card);
  }
  return hand;
}

const mostFlows = 2048;

/** Deals hands and remembers them: hashing costs more than all the rest of letting a request in. */
export function createDealer(schema: string, deckSize: number, handSize: number): (distinguisher: string) => readonly number[] {
  const hands = new Map<string, readonly number[]>();
  return (distinguisher) => {
    const known = hands.get(distinguisher);
    if (known !== undefined) return known;
    const hand = deal(flowHash(schema, distinguisher), deckSize, handSize);
    if (hands.size >= mostFlows) hands.clear();
    hands.set(distinguisher, hand);
    return hand;
  };
}
