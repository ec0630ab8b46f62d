/** Claims on idempotency keys whose database refuses to hear how they ended. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { limits } from '#core/limits';
import type { Claim, KeptAnswer } from '#contract/idempotency';
import type { ClaimRecord, ClaimStore } from '#contract/stores';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { createIdempotency } from './idempotency.ts';

const RENEWED_WITHIN_MS = 30_000;
const answer: KeptAnswer = { status: 200, headers: {}, body: Buffer.from('Done.') };
const ignore = (): void => undefined;

/** As a database whose statements time out: leases end as the clock says; what a claim came to is not taken. */
class RefusingClaims implements ClaimStore {
  #held: { claim: ClaimRecord; untilMs: number } | null = null;

  async take(claim: ClaimRecord, wallMs: number, untilMs: number) {
    if (this.#held !== null && this.#held.untilMs > wallMs)
      return { fingerprint: this.#held.claim.fingerprint, done: false };
    this.#held = { claim, untilMs };
    return null;
  }

  async extend(owners: readonly string[], untilMs: number): Promise<void> {
    if (this.#held !== null && owners.includes(this.#held.claim.owner)) this.#held.untilMs = untilMs;
  }

  async finish(): Promise<void> {
    throw new Error('canceling statement due to statement timeout');
  }

  release = this.finish;
  purge = async (): Promise<number> => 0;
}

for (const [ended, settlement, forgottenMs] of [
  ['failed', 'failed', RENEWED_WITHIN_MS],
  ['was answered', answer, limits.idempotencyKeepMs],
] as const)
  it(`a key is not running for ever whose request ${ended} and whose end could not be written down`, async (t) => {
    const clock = new VirtualClock();
    const logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
    const idempotency = createIdempotency({ claims: new RefusingClaims(), clock, logger });
    t.after(() => idempotency.close());
    const claim = (): Promise<Claim> =>
      idempotency.claim({ projectId: 'p', keyId: 'k', operation: 'chat', key: 'key', body: '{}' });
    const first = await claim();
    assert.ok(first.kind === 'mine');
    assert.equal((await claim()).kind, 'running');
    await assert.rejects(first.settle(settlement), /statement timeout/, 'whoever settles it hears why');
    assert.equal((await claim()).kind, settlement === 'failed' ? 'running' : 'answered');
    await clock.advance(forgottenMs);
    assert.equal((await claim()).kind, 'mine');
  });

it('a key whose request goes on is running all the while', async (t) => {
  const clock = new VirtualClock();
  const logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
  const claims = new RefusingClaims();
  const [here, there] = [1, 2].map(() => createIdempotency({ claims, clock, logger }));
  t.after(() => [here, there].map((each) => each?.close()));
  const request = { projectId: 'p', keyId: 'k', operation: 'chat', key: 'key', body: '{}' };
  assert.equal((await here?.claim(request))?.kind, 'mine');
  await clock.advance(10 * RENEWED_WITHIN_MS);
  assert.equal((await there?.claim(request))?.kind, 'running');
});
