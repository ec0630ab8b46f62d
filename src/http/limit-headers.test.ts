/** Limits in headers: the draft's form, and each vendor's. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LimitStanding } from '#contract/admission';
import { limitHeaders } from './limit-headers.ts';

const requests = (more: Partial<LimitStanding>): LimitStanding => ({
  scope: 'key',
  id: 'key_1',
  kind: 'requests',
  period: 'minute',
  max: 600,
  used: 41,
  resetMs: 12_300,
  ...more,
});

describe('the headers of limits', () => {
  it('tell each kind once, of whom the least is left', () => {
    const project = requests({ scope: 'project', max: 5_000, used: 4_999 });
    const places = requests({ kind: 'concurrent', period: null, max: 20, used: 3, resetMs: 0 });
    const money = requests({ kind: 'usd', period: 'month', max: 5_000_000, used: 6_000_000, resetMs: 86_400_000 });
    assert.deepEqual(limitHeaders([requests({}), project, places, money], 'hub'), {
      'ratelimit-policy':
        '"project-requests-minute";q=5000;w=60;qu="requests", "key-concurrent";q=20;qu="concurrent-requests", "key-usd-month";q=5000000;qu="micro-usd"',
      ratelimit: '"project-requests-minute";r=1;t=13, "key-concurrent";r=17, "key-usd-month";r=0;t=86400',
    });
  });

  it('hold no integer of more than fifteen digits, also for the largest budget there may be', () => {
    const money = requests({ kind: 'usd', period: 'day', max: 1_000_000_000_000_000, used: 0, resetMs: 1_000 });
    assert.deepEqual(limitHeaders([money], 'hub'), {
      'ratelimit-policy': '"key-usd-day";q=999999999999999;w=86400;qu="micro-usd"',
      ratelimit: '"key-usd-day";r=999999999999999;t=1',
    });
  });

  it('say to the clients of OpenAI and of Anthropic what these read', () => {
    const tokens = requests({ kind: 'tokens', max: 1_000, used: 10, resetMs: 17 });
    const openai = limitHeaders([requests({ resetMs: 61_000 }), tokens], 'openai');
    assert.equal(openai['x-ratelimit-limit-requests'], '600');
    assert.equal(openai['x-ratelimit-remaining-requests'], '559');
    assert.equal(openai['x-ratelimit-reset-requests'], '1m1s');
    assert.equal(openai['x-ratelimit-reset-tokens'], '17ms');
    const anthropic = limitHeaders([tokens], 'anthropic');
    assert.equal(anthropic['anthropic-ratelimit-tokens-limit'], '1000');
    assert.equal(anthropic['anthropic-ratelimit-tokens-remaining'], '990');
    assert.equal(anthropic['x-ratelimit-limit-tokens'], undefined);
  });
});
