/** Figures that a guide quotes are those that were measured last: a new measurement makes the guide say so. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';

const page = (name: string): string => readFileSync(new URL(`../docs/${name}.md`, import.meta.url), 'utf8');

/** The sections of docs/benchmarks.md by the benchmark's name. */
function sections(): Map<string, string> {
  const parts = page('benchmarks').split(/^## (?=\w)/m);
  return new Map(parts.map((part) => [/^\w+/.exec(part)?.[0] ?? '', part]));
}

it('what capacity.md says of a benchmark is in docs/benchmarks.md', () => {
  const measured = sections();
  const missing: string[] = [];
  let quoted = 0;
  let from = '';
  for (const [, what = '', figures = '', by = ''] of page('capacity').matchAll(/^\| (.+?) \| (.+?) \| (.+?) \|$/gm)) {
    // "the same" goes on with the row before.
    from = /npm run bench -- (\w+)/.exec(by)?.[1] ?? (by.startsWith('the same') ? from : '');
    if (from === '') continue;
    // What stands before a colon is reckoned from what stands behind it; round numbers divide.
    for (const [figure] of (figures.split(': ').at(-1) ?? '').matchAll(/\d[\d,]*/g)) {
      if (/^10*(?:,000)*$/.test(figure)) continue;
      quoted++;
      if (measured.get(from)?.includes(figure) !== true) missing.push(`${what}: ${figure}, ${from}`);
    }
  }
  assert.deepEqual(missing, []);
  assert.ok(quoted >= 7, `${quoted} figures were looked at`);
});
