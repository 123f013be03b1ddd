/**
 * Writes a bbolt database (go.etcd.io/bbolt, its file format 2), the form of etcd's snapshots: sorted keys in buckets, page by page. What
 * it takes is read once and in order, so that a file of any size needs little memory.
 */
import type { FileHandle } from 'node:fs/promises';

const pageSize = 4096;
const pageHeaderSize = 16;
const elementSize = 16;
const flags = { branch: 0x01, leaf: 0x02, meta: 0x04, freelist: 0x10 };
const bucketFlag = 0x01;
const magic = 0xed0cdaed;
const version = 2;
const metaSize = 64;

interface Element {
  key: Buffer;
  value: Buffer;
  flags: number;
}

interface PageReference {
  firstKey: Buffer;
  page: number;
}

export interface Bucket {
  name: string;
  /** In byte order. */
  entries: Iterable<[key: Buffer, value: Buffer]> | AsyncIterable<[key: Buffer, value: Buffer]>;
}

export async function writeBoltFile(file: FileHandle, buckets: readonly Bucket[]): Promise<{ sizeBytes: number }> {
  // Two meta pages and the list of free pages come first.
  let nextPage = 3;
  const write = async (page: Buffer): Promise<number> => {
    const at = nextPage;
    page.writeBigUInt64LE(BigInt(at), 0);
    await file.write(page, 0, page.length, at * pageSize);
    nextPage += page.length / pageSize;
    return at;
  };

  const writeLeaves = async (entries: Bucket['entries']): Promise<PageReference[]> => {
    const written: PageReference[] = [];
    let elements: Element[] = [];
    let size = pageHeaderSize;
    const flush = async () => {
      const [first] = elements;
      if (first) written.push({ firstKey: first.key, page: await write(leafPage(elements)) });
      elements = [];
      size = pageHeaderSize;
    };
    for await (const [key, value] of entries) {
      const more = elementSize + key.length + value.length;
      if (elements.length > 0 && size + more > pageSize) await flush();
      elements.push({ key, value, flags: 0 });
      size += more;
    }
    await flush();
    return written;
  };

  /** The root of a tree over the pages. */
  const writeBranches = async (pages: PageReference[]): Promise<number> => {
    let level = pages;
    while (level.length > 1) {
      const above: PageReference[] = [];
      let children: PageReference[] = [];
      let size = pageHeaderSize;
      const flush = async () => {
        const [first] = children;
        if (first) above.push({ firstKey: first.firstKey, page: await write(branchPage(children)) });
        children = [];
        size = pageHeaderSize;
      };
      for (const child of level) {
        const more = elementSize + child.firstKey.length;
        if (children.length > 1 && size + more > pageSize) await flush();
        children.push(child);
        size += more;
      }
      await flush();
      level = above;
    }
    return level[0]?.page ?? 0;
  };

  const roots: Element[] = [];
  for (const { name, entries } of [...buckets].sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)))) {
    const root = await writeBranches(await writeLeaves(entries));
    roots.push({ key: Buffer.from(name), value: root > 0 ? bucketHeader(root) : emptyBucket(), flags: bucketFlag });
  }
  const root = await write(leafPage(roots));
  const freelist = Buffer.alloc(pageSize);
  freelist.writeBigUInt64LE(2n, 0);
  freelist.writeUInt16LE(flags.freelist, 8);
  await file.write(freelist, 0, pageSize, 2 * pageSize);
  for (const page of [0, 1]) await file.write(metaPage(page, root, nextPage), 0, pageSize, page * pageSize);
  return { sizeBytes: nextPage * pageSize };
}

function pageOf(kind: number, count: number, bodySize: number): Buffer {
  const size = Math.ceil((pageHeaderSize + bodySize) / pageSize) * pageSize;
  const page = Buffer.alloc(size);
  page.writeUInt16LE(kind, 8);
  page.writeUInt16LE(count, 10);
  page.writeUInt32LE(size / pageSize - 1, 12);
  return page;
}

/** Elements first, then keys and values, to which each element says the way from itself. */
function leafPage(elements: readonly Element[]): Buffer {
  const body = elements.reduce((sum, e) => sum + elementSize + e.key.length + e.value.length, 0);
  const page = pageOf(flags.leaf, elements.length, body);
  let data = pageHeaderSize + elements.length * elementSize;
  for (const [i, { key, value, flags: kind }] of elements.entries()) {
    const at = pageHeaderSize + i * elementSize;
    page.writeUInt32LE(kind, at);
    page.writeUInt32LE(data - at, at + 4);
    page.writeUInt32LE(key.length, at + 8);
    page.writeUInt32LE(value.length, at + 12);
    data += key.copy(page, data);
    data += value.copy(page, data);
  }
  return page;
}

function branchPage(children: readonly PageReference[]): Buffer {
  const body = children.reduce((sum, c) => sum + elementSize + c.firstKey.length, 0);
  const page = pageOf(flags.branch, children.length, body);
  let data = pageHeaderSize + children.length * elementSize;
  for (const [i, { firstKey, page: child }] of children.entries()) {
    const at = pageHeaderSize + i * elementSize;
    page.writeUInt32LE(data - at, at);
    page.writeUInt32LE(firstKey.length, at + 4);
    page.writeBigUInt64LE(BigInt(child), at + 8);
    data += firstKey.copy(page, data);
  }
  return page;
}

function bucketHeader(root: number): Buffer {
  const header = Buffer.alloc(16);
  header.writeBigUInt64LE(BigInt(root), 0);
  return header;
}

/** A bucket without a page of its own holds its leaf inline. */
function emptyBucket(): Buffer {
  const inline = Buffer.alloc(16 + pageHeaderSize);
  inline.writeUInt16LE(flags.leaf, 16 + 8);
  return inline;
}

function metaPage(page: number, root: number, pages: number): Buffer {
  const bytes = Buffer.alloc(pageSize);
  bytes.writeBigUInt64LE(BigInt(page), 0);
  bytes.writeUInt16LE(flags.meta, 8);
  const meta = bytes.subarray(pageHeaderSize, pageHeaderSize + metaSize);
  meta.writeUInt32LE(magic, 0);
  meta.writeUInt32LE(version, 4);
  meta.writeUInt32LE(pageSize, 8);
  meta.writeBigUInt64LE(BigInt(root), 16);
  // The list of free pages, the number of all pages, the transaction.
  meta.writeBigUInt64LE(2n, 32);
  meta.writeBigUInt64LE(BigInt(pages), 40);
  meta.writeBigUInt64LE(BigInt(page), 48);
  meta.writeBigUInt64LE(fnv1a(meta.subarray(0, 56)), 56);
  return bytes;
}

/** FNV-1a, 64 bits. */
function fnv1a(bytes: Buffer): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  return hash;
}
