/** The memory system over a store and a model that hang, fail and come back, by a virtual clock. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CallerError, UnavailableError, UpstreamError } from '#core/errors';
import { limits } from '#core/limits';
import { seededRandom } from '#core/random';
import type { Embedding, MemoryRecord, MemoryStore } from '#contract/memory';
import type { MemoryFinished } from '#contract/observer';
import { BreakerRegistry } from '#resilience/index';
import { createGuard, DEPENDENCY_BREAKER } from '#hub/breakers';
import { listeners, nothingTold } from '../helpers/storage.ts';
import { VirtualClock } from '../helpers/virtual-clock.ts';
import { embedLater } from '#memory/embeddings';
import type { Embedder } from '#memory/embeddings';
import { createMemory, isMemoryFailure } from '#memory/memory';

const TIMEOUT_MS = 3_000;
const hangs = (): Promise<never> => new Promise(() => undefined);
const { signal } = new AbortController();
const fact: MemoryRecord = { id: 'mem_1', projectId: 'p', scope: 'project', text: 'a fact', createdWallMs: 1 };

function bench(model: { embed?: Embedder['embed']; database?: Partial<MemoryStore> } = {}) {
  const clock = new VirtualClock();
  const inserted: (Embedding | null)[] = [];
  const searched: Parameters<MemoryStore['search']>[2][] = [];
  const store: MemoryStore = {
    insert: async (_fact, embedding) => void inserted.push(embedding),
    find: async () => fact,
    list: async () => [fact],
    delete: async () => true,
    purge: async () => 0,
    search: async (_project, _scopes, query) => {
      searched.push(query);
      return [];
    },
    takeToEmbed: async () => [],
    setEmbedding: async () => undefined,
    ...model.database,
  };
  const told: MemoryFinished[] = [];
  const observer = { memoryFinished: (event: MemoryFinished): void => void told.push(event) };
  const { logger } = listeners(nothingTold());
  const defaults = { failures: 5, windowMs: 30_000, minFailureRate: 0, minCalls: 20, openMs: 500, openMsMax: 4_000 };
  const breakers = new BreakerRegistry({ clock, random: seededRandom(1), defaults });
  const guard = createGuard(breakers.get('memory', DEPENDENCY_BREAKER), isMemoryFailure);
  const embedder = model.embed === undefined ? null : { model: 'm', embed: model.embed };
  const memory = createMemory({ store, embedder, guard, clock, observer, logger, timeoutMs: TIMEOUT_MS });
  const recall = (text = 'x') => memory.recall({ projectId: 'p', scopes: ['project'], text, limit: 5, signal });
  const remember = (text = 'x') => memory.remember({ projectId: 'p', scope: 'project', text, signal });
  return { clock, memory, store, guard, logger, told, inserted, searched, recall, remember };
}

/** What came of it: nothing is unhandled while the clock moves. */
async function settled(work: Promise<unknown>): Promise<PromiseSettledResult<unknown>> {
  const [result] = await Promise.allSettled([work]);
  return result;
}

function unavailable(result: PromiseSettledResult<unknown>): boolean {
  return (
    result.status === 'rejected' &&
    result.reason instanceof UnavailableError &&
    result.reason.code === 'memory_unavailable'
  );
}

describe('the memory system', () => {
  it('keeps and asks with the embedding of the project’s text', async () => {
    const asked: unknown[] = [];
    const { inserted, searched, recall, remember, told } = bench({
      embed: async (projectId, texts) => {
        asked.push([projectId, ...texts]);
        return [[1, 2]];
      },
    });
    await remember('  kept ');
    await recall('asked');
    assert.deepEqual(asked, [
      ['p', 'kept'],
      ['p', 'asked'],
    ]);
    assert.deepEqual(inserted, [{ model: 'm', values: [1, 2] }]);
    assert.deepEqual(searched, [{ text: 'asked', embedding: { model: 'm', values: [1, 2] } }]);
    assert.deepEqual(
      told.map(({ operation, outcome, withoutVector }) => [operation, outcome, withoutVector]),
      [
        ['remember', 'ok', false],
        ['recall', 'ok', false],
      ],
    );
  });

  it('says it is unavailable at its deadline when the database hangs, whatever is asked', async () => {
    const database = { insert: hangs, find: hangs, list: hangs, delete: hangs, search: hangs };
    for (const ask of [
      ({ remember }) => remember(),
      ({ recall }) => recall(),
      ({ memory }) => memory.find('p', 'mem_1'),
      ({ memory }) => memory.list('p', { limit: 1 }, {}),
      ({ memory }) => memory.forget('p', 'mem_1'),
    ] satisfies ((of: ReturnType<typeof bench>) => Promise<unknown>)[]) {
      const hung = bench({ database });
      const result = settled(ask(hung));
      await hung.clock.advance(TIMEOUT_MS - 1);
      assert.equal(hung.told.length, 0);
      await hung.clock.advance(1);
      assert.ok(unavailable(await result));
      assert.equal(hung.told[0]?.outcome, 'failed');
      assert.equal(hung.clock.pending, 0, 'no timer is left');
    }
  });

  it('gives a model that hangs half of its time, and serves by words, counted', async () => {
    const { clock, recall, remember, searched, inserted, told } = bench({ embed: hangs });
    const both = Promise.all([recall(), remember()]);
    await clock.advance(TIMEOUT_MS / 2);
    await both;
    assert.deepEqual([searched, inserted], [[{ text: 'x', embedding: null }], [null]]);
    assert.deepEqual(
      told.map(({ withoutVector }) => withoutVector),
      [true, true],
    );
  });

  it('opens its circuit after five failures, asks nothing then, and is back by itself', async () => {
    let [gone, asked] = [true, 0];
    const { clock, recall, memory, told } = bench({
      database: {
        search: async () => {
          asked++;
          if (gone) throw new UnavailableError('database_unavailable', 'gone');
          return [];
        },
      },
    });
    for (let call = 0; call < 8; call++) assert.ok(unavailable(await settled(recall())));
    assert.equal(asked, 5);
    assert.ok(unavailable(await settled(memory.find('p', 'mem_1'))), 'every operation shares it');
    gone = false;
    await clock.advance(4_000);
    assert.deepEqual(await recall(), []);
    assert.deepEqual(await recall(), []);
    assert.equal(told.filter(({ outcome }) => outcome === 'failed').length, 9);
  });

  it('ends at once for a caller who leaves, and blames nobody', async () => {
    const { memory, told, recall } = bench({ database: { search: hangs } });
    for (let call = 0; call < 6; call++) {
      const leaving = new AbortController();
      const left = new Error('left');
      const asked = memory.recall({ projectId: 'p', scopes: ['project'], text: 'x', limit: 5, signal: leaving.signal });
      const result = settled(asked);
      leaving.abort(left);
      assert.deepEqual(await result, { status: 'rejected', reason: left });
    }
    assert.deepEqual(new Set(told.map(({ outcome }) => outcome)), new Set(['cancelled']));
    void settled(recall());
    assert.equal((await memory.find('p', 'mem_1'))?.id, 'mem_1', 'the circuit is closed');
  });

  it('cuts what it recalls for to its last characters, and refuses a fact that is too long or empty', async () => {
    const { recall, remember, searched, inserted } = bench();
    await recall(`begin ${'x'.repeat(limits.recallCharsMax)} end`);
    assert.equal(searched[0]?.text.length, limits.recallCharsMax);
    assert.ok(searched[0]?.text.endsWith(' end'));
    for (const text of ['x'.repeat(limits.memoryCharsMax + 1), ' \n '])
      await assert.rejects(remember(text), CallerError);
    await remember('x'.repeat(limits.memoryCharsMax));
    assert.equal(inserted.length, 1);
  });
});

describe('facts without an embedding', () => {
  function later(embed: Embedder['embed'], waiting: MemoryRecord[]) {
    const set: string[] = [];
    const { store, guard, clock, logger } = bench({
      database: {
        takeToEmbed: async (_model, _from, _again, limit) => waiting.splice(0, limit),
        setEmbedding: async (_project, id) => void set.push(id),
      },
    });
    const running = embedLater({ store, embedder: { model: 'm', embed }, guard, clock, logger });
    return { clock, set, running };
  }
  const facts = (count: number, projectId = 'p') =>
    Array.from({ length: count }, (_, index) => ({
      ...fact,
      projectId,
      id: `${projectId}${index}`,
      text: `t${index}`,
    }));

  it('are embedded in bounded batches of one project each, until there are none, and again later', async () => {
    const batches: [string, number][] = [];
    const waiting = [...facts(40), ...facts(2, 'q')];
    const { clock, set, running } = later(async (projectId, texts) => {
      batches.push([projectId, texts.length]);
      return texts.map(() => [1]);
    }, waiting);
    await clock.advance(30_000);
    assert.deepEqual(batches, [
      ['p', 32],
      ['p', 8],
      ['q', 2],
    ]);
    assert.equal(set.length, 42);
    waiting.push(...facts(1, 'r'));
    await clock.advance(30_000);
    assert.deepEqual(batches.at(-1), ['r', 1]);
    running.stop();
    assert.equal(clock.pending, 0);
  });

  it('are embedded although the model refuses one of them', async () => {
    const { clock, set, running } = later(async (_project, texts) => {
      if (texts.includes('t1')) throw new UpstreamError('upstream_rejected', 'not this');
      return texts.map(() => [1]);
    }, facts(3));
    await clock.advance(30_000);
    assert.deepEqual(set, ['p0', 'p2']);
    running.stop();
  });

  it('wait for the next time while the model is away, and none is asked for after the end', async () => {
    let asked = 0;
    const { clock, set, running } = later(async () => {
      asked++;
      throw new UnavailableError('no_deployment_available', 'away');
    }, [...facts(64)]);
    await clock.advance(30_000);
    assert.deepEqual([asked, set], [1, []], 'the first batch tells');
    running.stop();
    await clock.advance(300_000);
    assert.equal(asked, 1);
  });
});
