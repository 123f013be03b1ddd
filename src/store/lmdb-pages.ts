/**
 * Checks that the pages of an LMDB file hang together, by reading it as a file. LMDB itself trusts its pages and maps them: a file
 * that was cut or overwritten would end the process with SIGBUS or SIGSEGV. Layout of a page: LMDB's mdb.c (data version 999,
 * lmdb-js' branch of it), 64-bit little-endian.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { DamagedStoreError } from './lmdb-records.ts';

const magic = 0xbeefc0de;
const headerBytes = 24;
const noPage = 0xffff_ffff_ffff_ffffn;
const isBranch = 1;
const isLeaf = 2;
const isOverflow = 4;
const hasOverflow = 1;
const isSubDatabase = 2;
/** Deeper than any tree of 2^48 pages. */
const maxDepth = 32;

interface Meta {
  pageBytes: number;
  freeRoot: bigint;
  mainRoot: bigint;
  transaction: bigint;
}

class PageFile {
  readonly #file: number;
  readonly pages: number;
  readonly meta: Meta;
  /** Pages seen, each belongs to one place only. */
  readonly #seen = new Set<number>();

  constructor(file: number) {
    this.#file = file;
    const { size } = fstatSync(file);
    // The page size is the operating system's; it stands in the first meta page.
    const first = this.#metaAt(0);
    const second = first && this.#metaAt(first.pageBytes);
    const found = [first, second].filter((meta) => meta !== undefined);
    if (!first || found.length === 0) throw new DamagedStoreError('its data file does not begin as one of LMDB does');
    this.meta = found.reduce((a, b) => (b.transaction > a.transaction ? b : a));
    this.pages = Math.floor(size / this.meta.pageBytes);
  }

  #metaAt(offset: number): Meta | undefined {
    const bytes = Buffer.alloc(160);
    if (readSync(this.#file, bytes, 0, bytes.length, offset) < bytes.length || bytes.readUInt32LE(24) !== magic) return undefined;
    const pageBytes = bytes.readUInt32LE(48);
    if (pageBytes < 512 || pageBytes > 65_536 || (pageBytes & (pageBytes - 1)) !== 0) return undefined;
    return {
      pageBytes,
      freeRoot: bytes.readBigUInt64LE(88),
      mainRoot: bytes.readBigUInt64LE(136),
      transaction: bytes.readBigUInt64LE(152),
    };
  }

  #claim(number: number, count = 1): void {
    if (number < 2 || number + count > this.pages)
      throw new DamagedStoreError(`its data file ends at page ${this.pages}, and page ${number + count - 1} belongs to it`);
    for (let i = number; i < number + count; i++) {
      if (this.#seen.has(i)) throw new DamagedStoreError(`page ${i} of its data file is used twice`);
      this.#seen.add(i);
    }
  }

  #read(number: number, bytes: number): Buffer {
    const page = Buffer.allocUnsafe(bytes);
    if (readSync(this.#file, page, 0, bytes, number * this.meta.pageBytes) < bytes)
      throw new DamagedStoreError(`page ${number} of its data file can't be read`);
    if (Number(page.readBigUInt64LE(0)) !== number) throw new DamagedStoreError(`page ${number} of its data file was overwritten`);
    return page;
  }

  /** Checks a tree and the trees and values that its leaves point to. */
  walk(root: bigint, depth = 0): void {
    if (root === noPage) return;
    const number = Number(root);
    this.#claim(number);
    const { pageBytes } = this.meta;
    const page = this.#read(number, pageBytes);
    const flags = page.readUInt16LE(18) & (isBranch | isLeaf | isOverflow);
    const lower = page.readUInt16LE(20);
    const upper = page.readUInt16LE(22);
    const wrong = () => new DamagedStoreError(`page ${number} of its data file was overwritten`);
    if ((flags !== isBranch && flags !== isLeaf) || lower > upper || upper + headerBytes > pageBytes || lower % 2 === 1 || depth > maxDepth)
      throw wrong();
    for (let i = 0; i < lower / 2; i++) {
      const at = headerBytes + page.readUInt16LE(headerBytes + 2 * i);
      if (at < headerBytes + upper || at + 8 > pageBytes) throw wrong();
      const size = page.readUInt32LE(at);
      const nodeFlags = page.readUInt16LE(at + 4);
      const dataAt = at + 8 + page.readUInt16LE(at + 6);
      if (dataAt > pageBytes) throw wrong();
      if (flags === isBranch) {
        this.walk(BigInt(size) + (BigInt(nodeFlags) << 32n), depth + 1);
        continue;
      }
      if (dataAt + (nodeFlags & hasOverflow ? 8 : size) > pageBytes) throw wrong();
      if (nodeFlags & hasOverflow) this.#overflow(Number(page.readBigUInt64LE(dataAt)), size);
      else if (nodeFlags & isSubDatabase) this.walk(page.readBigUInt64LE(dataAt + 40), depth + 1);
    }
  }

  #overflow(number: number, size: number): void {
    const count = Math.ceil((headerBytes + size) / this.meta.pageBytes);
    this.#claim(number, count);
    const header = this.#read(number, headerBytes);
    if ((header.readUInt16LE(18) & isOverflow) === 0 || header.readUInt32LE(20) < count)
      throw new DamagedStoreError(`page ${number} of its data file was overwritten`);
  }
}

/** Reads every page that is in use, about a gigabyte a second. A missing file is fine. Throws DamagedStoreError. */
export function checkPages(path: string): void {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
    throw error;
  }
  try {
    // LMDB makes an empty file before it writes to it.
    if (fstatSync(file).size === 0) return;
    const pages = new PageFile(file);
    pages.walk(pages.meta.freeRoot);
    pages.walk(pages.meta.mainRoot);
  } finally {
    closeSync(file);
  }
}
