import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { rewriteLinks, throughProxy } from './html-links.ts';

const own = '/api/v1/namespaces/n/pods/p/proxy';

test.each([
  ['/a/b/?q=1#f', `${own}/a/b/?q=1#f`],
  ['http://10.0.0.1:80/a', `${own}/a`],
  ['//kube.example/a', `${own}/a`],
  [`${own}/a`, `${own}/a`],
  ['http://other/a', 'http://other/a'],
  ['a/b', 'a/b'],
  ['#f', '#f'],
  ['mailto:/x', 'mailto:/x'],
])('%s leads to %s', (url, to) => expect(throughProxy(url, own, ['10.0.0.1:80', 'kube.example'])).toBe(to));

const pages = [
  [
    '<a href="/r">t</a><A class=x HREF=\'/r\'>é</A><img src=/i><img usemap = "/m" />',
    '<a href="P/r">t</a><A class=x HREF=\'P/r\'>é</A><img src=P/i><img usemap = "P/m" />',
  ],
  ['<!-- <a href="/r"> --><a href="/r">', '<!-- <a href="/r"> --><a href="P/r">'],
  ['<script src="/s">"<a href=\'/r\'>"</SCRIPT ><a href="/r">', '<script src="P/s">"<a href=\'/r\'>"</SCRIPT ><a href="P/r">'],
  ['<p href="/r" title="<a href=\'/r\'>"> 1 < 2 <a', '<p href="/r" title="<a href=\'/r\'>"> 1 < 2 <a'],
  ['<a href="/r', '<a href="/r'],
  [`<a ${'x'.repeat(20_000)}`, `<a ${'x'.repeat(20_000)}`],
];

test.each([1, 3, 1000])('links of a page in pieces of %i bytes', async (size) => {
  for (const [page = '', expected] of pages.slice(0, size === 1 ? -1 : undefined)) {
    const bytes = Buffer.from(page);
    const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
    expect(await text(Readable.from(pieces).pipe(rewriteLinks((url) => `P${url}`)))).toBe(expected);
  }
});
