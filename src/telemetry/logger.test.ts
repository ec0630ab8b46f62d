/** What a person sees of the log on a terminal. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { createLogger } from './logger.ts';

it('a line for people holds no character that a terminal obeys, whoever wrote it', () => {
  const lines: string[] = [];
  const logger = createLogger({
    clock: new VirtualClock(),
    level: 'info',
    format: 'pretty',
    instance: 'here',
    colours: false,
    destination: { write: (text) => void lines.push(text) },
  });
  const evil = '\u001B[2J\u009B31m\n12:00:00 INFO  forged\r';
  logger.info('breaker-opened', { breaker: evil, problems: [evil] });
  logger.error('failed', {}, new Error(evil));
  const text = lines.join('');
  assert.doesNotMatch(text.replaceAll('\n', ''), /\p{Cc}/u);
  assert.doesNotMatch(lines[0] ?? '', /^12:00:00/m);
  assert.match(text, /breaker=\\x1b\[2J\\x9b31m\\x0a12:00:00/);
});
