/**
 * The house rules of ARCHITECTURE.md and STYLE.md, held against every file of the repository. First each rule is shown to
 * catch what was planted for it and to let the near miss pass; then it looks at the house itself.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { floorTable, houseOf, readHouse, report } from './tidy/house.ts';
import type { Hit, Rule, Row } from './tidy/house.ts';
import { importRules } from './tidy/import-rules.ts';
import { plantedHouses } from './tidy/planted-houses.ts';
import { plantedLines } from './tidy/planted-lines.ts';
import { runtimeRules } from './tidy/runtime-rules.ts';
import { shapeRules } from './tidy/shape-rules.ts';
import { textRules } from './tidy/text-rules.ts';

const rules: readonly Rule[] = [...importRules, ...runtimeRules, ...shapeRules, ...textRules];
const house = readHouse(new URL('../', import.meta.url));

function ruleNamed(name: string): Rule {
  const rule = rules.find((each) => each.name === name);
  assert.ok(rule, `there is no rule "${name}"`);
  return rule;
}

function hitsIn(name: string, files: Readonly<Record<string, string>>, rows: readonly Row[] = house.rows): Hit[] {
  return [...ruleNamed(name).find(houseOf(new Map(Object.entries(files)), rows))];
}

describe('the rules prove themselves', () => {
  for (const { rule, path, caught, passes } of plantedLines) {
    test(`${rule} catches what was planted in ${path} and lets the near miss pass`, () => {
      for (const text of caught) {
        const [hit] = hitsIn(rule, { [path]: text });
        assert.deepEqual({ text, path: hit?.path, line: hit?.line }, { text, path, line: 1 });
      }
      for (const text of passes) assert.deepEqual({ text, hits: hitsIn(rule, { [path]: text }) }, { text, hits: [] });
    });
  }

  for (const { rule, caught, at, passes } of plantedHouses) {
    test(`${rule} catches exactly what was planted and lets the near miss pass`, () => {
      const seen = hitsIn(rule, caught).map((hit) => `${hit.path}:${hit.line}`);
      assert.deepEqual(seen.toSorted(), at.toSorted());
      assert.deepEqual(hitsIn(rule, passes), []);
    });
  }

  test('rooms wants a row for each folder, a folder for each row, a way down, and an entry in package.json', () => {
    const rows = floorTable(
      '| floor | room | may import |\n|---|---|---|\n| 0 | core | nothing | x |\n| 1 | hub | core | x |\n',
    );
    const mapped = '"#core/*": "./src/core/*.ts", "#hub/*": "./src/hub/*.ts"';
    const whole = { 'src/core/a.ts': '', 'src/hub/a.ts': '', 'package.json': mapped };
    const seenIn = (files: Record<string, string>, of: readonly Row[] = rows): string[] =>
      hitsIn('rooms', files, of).map((hit) => hit.seen);

    assert.deepEqual(seenIn(whole), []);
    assert.deepEqual(seenIn({ ...whole, 'src/attic/a.ts': '' }), ['the room attic has no row']);
    assert.deepEqual(seenIn({ ...whole, 'src/a.ts': '' }), ['stands in no room']);
    assert.deepEqual(seenIn({ 'src/core/a.ts': '', 'package.json': mapped }), ['the row hub has no folder src/hub']);
    assert.deepEqual(seenIn({ ...whole, 'package.json': mapped.replace('#hub', '#hab') }), [
      'no "#hub/*": "./src/hub/*.ts"',
    ]);
    const upward = rows.map((row) => (row.room === 'core' ? { ...row, mayImport: ['hub', 'attic'] } : row));
    assert.deepEqual(seenIn(whole, upward), [
      'core may import hub, which is not below it',
      'core may import attic, which has no row',
    ]);
  });

  test('every rule has something planted for it', () => {
    const planted = new Set(
      [...plantedLines.filter(({ caught }) => caught.length > 0), ...plantedHouses].map(({ rule }) => rule),
    );
    assert.deepEqual(
      rules.map(({ name }) => name).filter((name) => name !== 'rooms' && !planted.has(name)),
      [],
    );
  });

  test('a message names the file, the line, the rule and what to do', () => {
    const rule = ruleNamed('console');
    const [hit] = hitsIn('console', { 'src/hub/a.ts': '\n\nexport const say = () => console.log(1);' });
    assert.ok(hit);
    assert.match(report(rule, [hit]), /^src\/hub\/a\.ts:3 {2}\[console\] uses console\.log\n→ Only the CLI/);
  });
});

describe('the house', () => {
  test('was seen: the table, the rooms and their files', () => {
    assert.ok(house.rows.length >= 12, `ARCHITECTURE.md gave ${house.rows.length} rows of the floor table`);
    assert.deepEqual(
      house.rows.find((row) => row.room === 'core'),
      { floor: 0, room: 'core', mayImport: [] },
    );
    assert.ok(house.rows.find((row) => row.room === 'hub')?.mayImport.includes('gateway'));
    const paths = new Set(house.texts.keys());
    const known = [
      'src/core/clock.ts',
      'src/contract/gateway.ts',
      'tests/tidy.test.ts',
      'ARCHITECTURE.md',
      'package-lock.json',
    ];
    assert.deepEqual(
      known.filter((path) => !paths.has(path)),
      [],
    );
    assert.ok(house.sources.filter(({ room }) => room !== null).length >= 18, `saw ${house.sources.length} sources`);
    const provider = house.sources.find(({ path }) => path === 'src/contract/provider.ts');
    assert.ok(provider?.edges.some((edge) => edge.target === 'src/core/clock.ts' && edge.typeOnly));
  });

  for (const rule of rules) {
    test(`keeps ${rule.name}`, () => {
      const hits = [...rule.find(house)];
      if (hits.length > 0) assert.fail(`\n${report(rule, hits)}\n`);
    });
  }
});
