import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { LoadShedder } from './load-shedder.ts';
import type { LoadShedderOptions, Priority } from './load-shedder.ts';

const BUSY = 100;

/** A loop that takes `roundMs` to come round, and `perRound` requests that come in each time. */
function loopOf(options: Partial<LoadShedderOptions> = {}) {
  const clock = new VirtualClock();
  const memory = { share: 0.2 };
  const shedder = new LoadShedder({ clock, memoryShare: () => memory.share, loopDelayMs: 20, ...options });
  const run = async (
    forMs: number,
    roundMs: number,
    {
      perRound = 10,
      inFlight = BUSY,
      priority = 'new',
    }: { perRound?: number; inFlight?: number; priority?: Priority } = {},
  ): Promise<{ admitted: number; shed: number; reasons: Set<string> }> => {
    const seen = { admitted: 0, shed: 0, reasons: new Set<string>() };
    const end = clock.now() + forMs;
    while (clock.now() < end) {
      for (let request = 0; request < perRound; request++) {
        const reason = shedder.admit(priority, inFlight, clock.now());
        if (reason === null) seen.admitted++;
        else {
          seen.shed++;
          seen.reasons.add(reason);
        }
      }
      // Time passes without letting a timer run, as in a loop that is busy; then what is due runs at once.
      clock.jump(roundMs);
      await clock.advance(0);
    }
    return seen;
  };
  return { clock, memory, shedder, run };
}

describe('a load shedder', () => {
  it('turns nobody away while the loop comes round in time', async () => {
    const { run } = loopOf();
    assert.equal((await run(2_000, 8)).shed, 0);
  });

  it('admits less and less of new work while every round takes too long, and never none', async () => {
    const { run, shedder } = loopOf();
    const first = await run(500, 60);
    const later = await run(5_000, 60);
    assert.ok(first.shed > 0 && later.shed / later.admitted > first.shed / first.admitted);
    assert.deepEqual([...later.reasons], ['event_loop']);
    assert.ok(later.admitted > 0);
    assert.ok(shedder.admittedShare > 0 && shedder.admittedShare < 0.05);
  });

  it('minds no single long pause', async () => {
    const { run, clock } = loopOf();
    for (let pause = 0; pause < 10; pause++) {
      clock.jump(90);
      assert.equal((await run(300, 6)).shed, 0);
    }
  });

  it('holds between half the mark and the mark, and lets all in again under half', async () => {
    const { run, shedder } = loopOf();
    await run(400, 60);
    const held = shedder.admittedShare;
    await run(1_000, 15);
    assert.equal(shedder.admittedShare, held);
    await run(10_000, 6);
    assert.equal(shedder.admittedShare, 1);
    assert.equal((await run(500, 6)).shed, 0);
  });

  it('sends nobody away from an instance with little in flight, however slow its machine', async () => {
    const { run, clock } = loopOf();
    assert.equal((await run(3_000, 200, { inFlight: 5 })).shed, 0);
    assert.equal(clock.pending, 0);
  });

  it('keeps no timer when nobody asks any more', async () => {
    const { run, clock } = loopOf();
    await run(400, 60);
    await clock.advance(60_000);
    assert.equal(clock.pending, 0);
  });

  it('keeps no timer when it is closed', async () => {
    const { run, clock, shedder } = loopOf();
    await run(400, 60);
    shedder.close();
    assert.equal(clock.pending, 0);
  });

  it('says what is shorter, memory or time', async () => {
    const { run, memory } = loopOf();
    memory.share = 0.95;
    assert.deepEqual([...(await run(60, 6)).reasons], ['memory']);
    await run(10_000, 60);
    assert.deepEqual([...(await run(300, 60, { perRound: 100 })).reasons], ['event_loop']);
  });

  it('turns what is under way away last, and what is vital never', async () => {
    const { run } = loopOf();
    await run(240, 60);
    assert.equal((await run(300, 15, { priority: 'continuing' })).shed, 0);
    assert.ok((await run(300, 15)).shed > 0);
    await run(10_000, 60);
    assert.ok((await run(300, 15, { priority: 'continuing' })).shed > 0);
    assert.equal((await run(3_000, 60, { priority: 'vital' })).shed, 0);
  });

  it('admits a tenth while memory is short, until there is clearly more of it', async () => {
    const { run, memory } = loopOf();
    memory.share = 0.91;
    const short = await run(3_000, 6);
    assert.deepEqual([...short.reasons], ['memory']);
    assert.ok(Math.abs(short.admitted / (short.admitted + short.shed) - 0.1) < 0.01);
    memory.share = 0.87;
    assert.ok((await run(1_000, 6)).shed > 0);
    memory.share = 0.84;
    await run(300, 6);
    assert.equal((await run(1_000, 6)).shed, 0);
  });
});
