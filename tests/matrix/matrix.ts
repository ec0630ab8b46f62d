/** The tests that the table makes: for each dependency and fault every operation is asked while the fault lasts, and after it. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { waitFor } from '../helpers/hub-process.ts';
import { forTheSuite } from '../helpers/suite.ts';
import { recovered, startMatrixBench } from './bench.ts';
import type { Answered, MatrixBench } from './bench.ts';
import { matrix, OPERATIONS, RECOVERS_MS } from './table.ts';
import type { Cell, Dependency, Fault, Operation } from './table.ts';

/** Each of its answers has a row in the usage ledger. */
const ASKS_THE_UPSTREAM: ReadonlySet<Operation> = new Set(['chat', 'stream', 'ledger write']);

interface Asked {
  readonly answers: readonly Answered[];
}

/** `slack`: how many times longer than stated a busy machine may take; 1 where nobody else is on it. */
export function matrixSuite(faults: readonly (readonly [Dependency, Fault])[], slack: number): void {
  describe('while a dependency fails', () => {
    const suite = forTheSuite();
    let bench: MatrixBench;
    before(async () => {
      bench = await startMatrixBench(suite);
      await bench.cached('known');
      await recovered(bench, 60_000);
    });
    for (const [dependency, fault] of faults) faultSuite(dependency, fault, slack, () => bench);
  });
}

function faultSuite(dependency: Dependency, fault: Fault, slack: number, benchOf: () => MatrixBench): void {
  describe(`${dependency}, ${fault}`, () => {
    const cells = matrix[dependency][fault];
    let over = false;
    const end = async (): Promise<void> => {
      if (!over) await benchOf().dependencies[dependency].end(fault);
      over = true;
    };
    const asked = new Map<Operation, Promise<Asked>>();
    const runs: string[] = [];
    let stranger: Answered;
    before(async () => {
      const bench = benchOf();
      await bench.dependencies[dependency].begin(fault);
      for (const operation of OPERATIONS) asked.set(operation, ask[operation](bench, `${dependency} ${fault}`));
      stranger = await bench.stranger();
      await Promise.allSettled(asked.values());
    });
    after(end);
    for (const operation of OPERATIONS) {
      const cell = cells[operation];
      it(`${operation}: ${cell.behaves}`, async () => {
        const { answers } = (await asked.get(operation)) ?? { answers: [] };
        for (const { tookMs, status } of answers)
          assert.ok(tookMs <= cell.withinMs * slack, `${status} after ${Math.round(tookMs)} ms of ${cell.withinMs}`);
        if (ASKS_THE_UPSTREAM.has(operation))
          for (const { headers } of answers) runs.push(headers.get('x-revoagent-run') ?? 'no run');
        await judge[cell.behaves](answers, { bench: benchOf(), cell, slack });
      });
    }
    it('nobody is told that a key is wrong that could not be looked up', () => {
      // A slow database answers after all, and may know that there is no such key.
      const answers = dependency !== 'postgres' || fault === 'slow';
      assert.ok(stranger.status === 503 || (answers && stranger.status === 401), stranger.text);
    });
    it(`afterwards everything is as before within ${RECOVERS_MS} ms, and no row is lost`, async () => {
      await end();
      await recovered(benchOf(), RECOVERS_MS * slack);
      for (const run of runs)
        await waitFor(
          async () => ((await benchOf().hasRow(run)) ? true : null),
          RECOVERS_MS * slack,
          () => run,
        );
    });
  });
}

const ask: Readonly<Record<Operation, (bench: MatrixBench, about: string) => Promise<Asked>>> = {
  chat: async (bench) => ({ answers: [await bench.chat()] }),
  stream: async (bench) => {
    const answer = await bench.chat('plain', { stream: true });
    assert.match(answer.text, /data: \[DONE\]\s*$/, 'the stream is whole');
    return { answers: [answer] };
  },
  'cached read': async (bench, about) => ({ answers: [await bench.cached('known'), await bench.cached(about)] }),
  'ledger write': async (bench) => ({ answers: [await bench.chat()] }),
  limit: async (bench) => ({ answers: [await bench.chat('limited'), await bench.chat('limited')] }),
  'agent turn': async (bench) => ({ answers: [await bench.agentTurn()] }),
  health: async (bench) => ({
    answers: await Promise.all(['/health/live', '/health/ready'].map((at) => bench.get(at))),
  }),
};

type Judge = (
  answers: readonly Answered[],
  about: { bench: MatrixBench; cell: Cell; slack: number },
) => Promise<void> | void;

function all(answers: readonly Answered[], status: number): void {
  for (const answer of answers) assert.equal(answer.status, status, answer.text);
}

const judge: Readonly<Record<Cell['behaves'], Judge>> = {
  serves: (answers) => all(answers, 200),
  recomputes: (answers) => all(answers, 200),
  ready: (answers) => all(answers, 200),
  kept: (answers) => all(answers, 200),
  async written(answers, { bench, cell, slack }) {
    all(answers, 200);
    for (const { headers } of answers) {
      const run = headers.get('x-revoagent-run') ?? '';
      await waitFor(async () => ((await bench.hasRow(run)) ? true : null), cell.withinMs * slack);
    }
  },
  limits: (answers) => assertLimited(answers),
  async shares(answers, { bench, cell, slack }) {
    assertLimited(answers);
    // One who has nothing to ask looks whether the other is back, and a Redis that only takes nothing more seems so: each look asks.
    const shares = async (): Promise<true | null> => {
      await bench.chat('limited');
      return /"mode":"share"/.test((await bench.get('/api/limits')).text) ? true : null;
    };
    await waitFor(shares, cell.withinMs * slack, () => 'it never said that it allows its own share');
  },
  either: (answers) => answers.forEach((answer) => (answer.status === 200 ? undefined : saysSo([answer]))),
  'says so': (answers) => saysSo(answers),
};

function saysSo(answers: readonly Answered[]): void {
  all(answers, 503);
  for (const { headers } of answers) assert.match(headers.get('retry-after') ?? '', /^\d+$/);
}

/** One a minute: the first may have its place, the second has none. */
function assertLimited([first, second]: readonly Answered[]): void {
  assert.ok(first !== undefined && second !== undefined);
  assert.ok(first.status === 200 || first.status === 429, first.text);
  assert.equal(second.status, 429, second.text);
  assert.match(second.headers.get('retry-after') ?? '', /^\d+$/);
}
