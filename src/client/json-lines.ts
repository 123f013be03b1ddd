/**
 * Decodes a stream of newline-delimited JSON (the framing of JSON watches). A line may be spread over many chunks; empty lines
 * are skipped. Throws SyntaxError on a line that is no JSON.
 */
export async function* jsonLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<unknown> {
  let parts: Uint8Array[] = [];
  for await (const chunk of chunks) {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(10, start);
      if (end < 0) break;
      parts.push(chunk.subarray(start, end));
      const line = Buffer.concat(parts);
      parts = [];
      start = end + 1;
      if (line.length > 0) yield JSON.parse(line.toString());
    }
    if (start < chunk.length) parts.push(chunk.subarray(start));
  }
  const rest = Buffer.concat(parts).toString().trim();
  if (rest) yield JSON.parse(rest);
}
