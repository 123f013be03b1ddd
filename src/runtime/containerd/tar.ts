/** Just enough of ustar (POSIX.1-1988) to write small archives of plain files. */

export interface TarEntry {
  name: string;
  mode: number;
  bytes: Buffer;
}

const blockBytes = 512;

function header({ name, mode, bytes }: TarEntry): Buffer {
  const block = Buffer.alloc(blockBytes);
  const octal = (value: number, width: number) => `${value.toString(8).padStart(width - 1, '0')}\0`;
  block.write(name, 0);
  block.write(octal(mode, 8), 100);
  block.write(octal(0, 8), 108);
  block.write(octal(0, 8), 116);
  block.write(octal(bytes.length, 12), 124);
  block.write(octal(0, 12), 136);
  // The checksum counts its own field as blanks.
  block.write('        ', 148);
  block.write('0', 156);
  block.write('ustar\x0000', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

export function tar(entries: readonly TarEntry[]): Buffer {
  const padding = (size: number) => Buffer.alloc((blockBytes - (size % blockBytes)) % blockBytes);
  return Buffer.concat([...entries.flatMap((e) => [header(e), e.bytes, padding(e.bytes.length)]), Buffer.alloc(2 * blockBytes)]);
}
