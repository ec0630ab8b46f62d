/** What is taken out, what is kept, and that no text makes it slow. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { redact } from './redact.ts';

const FOUND: readonly (readonly [string, string])[] = [
  ['joe.doe+x@mail.example.co.uk!', '[email]!'],
  ['jürgen@müller.example', '[email]'],
  ['4111-1111-1111-1111', '[card]'],
  ['4111111111111111 and 3782 822463 10005', '[card] and [card]'],
  ['pay 1234 4111 1111 1111 1111 12', 'pay 1234 [card] 12'],
  ['4111 1111 1111 1111 5555 5555 5555 4444', '[card] [card]'],
  ['DE89 3704 0044 0532 0130 00', '[iban]'],
  ['DE89 3704 0044 0532 0130 00 SAYS ME', '[iban] SAYS ME'],
  ['call +49 (30) 901820 now', 'call [phone] now'],
  ['sk-abcdefghijklmnop1234', '[key]'],
  ['AIzaSyA1234567890abcdefghijklmnopqrstuv', '[key]'],
  [String.raw`{"a":"x\nsk-abcdefghijklmnop1234\n4111111111111111"}`, String.raw`{"a":"x\n[key]\n[card]"}`],
];

const KEPT = [
  '4111-1111-1111-1112',
  'GB29 NWBK 6016 1331 9268 18',
  'version 1.2.3',
  'a@b',
  '12:30 on 2026-01-01',
  '1 2 3 4 5 6 7 8 9 10 11 12 13 14 15',
  'skating',
  'risk-of-a-long-word-with-dashes',
];

describe('the redactor', () => {
  for (const [text, redacted] of FOUND) it(`takes out ${text}`, () => assert.equal(redact(text), redacted));
  for (const text of KEPT) it(`keeps ${text}`, () => assert.equal(redact(text), text));

  // A search that looks at the rest of the text from each place takes minutes for one of these; the runner ends a test before that.
  const REPEATED = [
    'a',
    'a@',
    'a@a.',
    '-',
    'sk-',
    '1',
    '1 ',
    '1234 ',
    'DE89',
    'AA00 ',
    '+1',
    '00 ',
    '@',
    String.raw`\n`,
  ];
  for (const unit of REPEATED)
    it(`comes to an end over 400,000 characters of ${JSON.stringify(unit)}`, { timeout: 20_000 }, () => {
      assert.ok(redact(unit.repeat(400_000 / unit.length)).length > 0);
    });
});
