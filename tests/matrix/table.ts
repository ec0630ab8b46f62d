/**
 * What the hub does while something it depends on fails in one way or another: a cell for each dependency, fault and operation. An
 * empty cell does not compile. The tests are made from it (`tests/matrix/matrix.ts`), and docs/dependencies.md.
 */

export const DEPENDENCIES = ['redis-cache', 'redis-state', 'postgres'] as const;
export type Dependency = (typeof DEPENDENCIES)[number];

export const FAULTS = ['refused', 'killed', 'stopped', 'slow', 'empty', 'full', 'cut'] as const;
export type Fault = (typeof FAULTS)[number];

export const OPERATIONS = ['chat', 'stream', 'cached read', 'ledger write', 'limit', 'agent turn', 'health'] as const;
export type Operation = (typeof OPERATIONS)[number];

/**
 * `serves`: as ever. `recomputes`: answered, where need be by asking the upstream again. `kept`: answered, and its row is in the database
 * when that answers again. `written`: answered, and its row is in the database at once. `limits`: one call over the limit is refused with
 * 429, never all and never none. `shares`: as `limits`, and each instance allows its own share. `says so`: 503 with Retry-After. `either`: the one or the other of
 * `serves` and `says so`, because what is asked takes as long as it may.
 * `ready`: live and ready, because it can serve.
 */
export type Behaviour =
  | 'serves'
  | 'recomputes'
  | 'kept'
  | 'written'
  | 'limits'
  | 'shares'
  | 'says so'
  | 'either'
  | 'ready';

export interface Cell {
  readonly behaves: Behaviour;
  /** Nobody waits longer for an answer. Milliseconds. */
  readonly withinMs: number;
}

export type Matrix = Readonly<Record<Dependency, Readonly<Record<Fault, Readonly<Record<Operation, Cell>>>>>>;

/** After the fault is over everything is as before within this time, by itself. */
export const RECOVERS_MS = 5_000;

function at(withinMs: number): Readonly<Record<Behaviour, Cell>> {
  const cell = (behaves: Behaviour): Cell => ({ behaves, withinMs });
  return {
    serves: cell('serves'),
    recomputes: cell('recomputes'),
    kept: cell('kept'),
    written: cell('written'),
    limits: cell('limits'),
    shares: cell('shares'),
    'says so': cell('says so'),
    either: cell('either'),
    ready: cell('ready'),
  };
}

/** Nothing has to be waited for. */
const soon = at(1_000);
/** A deadline of the hub's own has to pass first: 2 s for a Redis or a statement that does not answer, and what follows it. */
const late = at(5_000);

type Row = Readonly<Record<Operation, Cell>>;
type RowOf = (usual: Row) => Row;

const usual: RowOf = (row) => row;
/** The dependency takes what it is sent and does not answer in time; health does not ask it. */
const waits: RowOf = (row) => ({
  chat: late[row.chat.behaves],
  stream: late[row.stream.behaves],
  'cached read': late[row['cached read'].behaves],
  'ledger write': late[row['ledger write'].behaves],
  limit: late[row.limit.behaves],
  'agent turn': late[row['agent turn'].behaves],
  health: row.health,
});

/** What a dependency's faults do as a rule, every cell of it, and for each fault how it differs. */
function rowsOf(rule: Row, faults: Readonly<Record<Fault, RowOf>>): Readonly<Record<Fault, Row>> {
  const { refused, killed, stopped, slow, empty, full, cut } = faults;
  return {
    refused: refused(rule),
    killed: killed(rule),
    stopped: stopped(rule),
    slow: slow(rule),
    empty: empty(rule),
    full: full(rule),
    cut: cut(rule),
  };
}

export const matrix: Matrix = {
  'redis-cache': rowsOf(
    {
      chat: soon.serves,
      stream: soon.serves,
      'cached read': soon.recomputes,
      'ledger write': late.written,
      limit: soon.limits,
      'agent turn': soon.serves,
      health: soon.ready,
    },
    { refused: usual, killed: usual, stopped: waits, slow: waits, empty: usual, full: usual, cut: usual },
  ),
  'redis-state': rowsOf(
    {
      chat: soon.serves,
      stream: soon.serves,
      'cached read': soon.serves,
      'ledger write': late.written,
      limit: soon.shares,
      'agent turn': soon.serves,
      health: soon.ready,
    },
    {
      refused: usual,
      killed: usual,
      stopped: waits,
      slow: waits,
      // It answers, and counts from nothing.
      empty: (row) => ({ ...row, limit: soon.limits }),
      full: usual,
      cut: usual,
    },
  ),
  postgres: rowsOf(
    {
      chat: soon.serves,
      stream: soon.serves,
      'cached read': soon.serves,
      'ledger write': late.kept,
      limit: soon.limits,
      'agent turn': late['says so'],
      health: soon.ready,
    },
    {
      refused: usual,
      killed: usual,
      stopped: waits,
      slow: (row) => ({ ...waits(row), 'agent turn': late.either }),
      empty: usual,
      full: usual,
      cut: usual,
    },
  ),
};

/** How each fault is made. */
export const FAULT_WORDS: Readonly<Record<Fault, string>> = {
  refused: 'nobody listens on its port',
  killed: '`kill -9`, and its port is closed until it is started again',
  stopped: 'SIGSTOP: connections stay open and nothing answers',
  slow: 'every answer comes 2 s late',
  empty: 'restarted with nothing in it; of PostgreSQL, the database is not there',
  full: 'Redis is out of memory and refuses writes; PostgreSQL has no connection left',
  cut: 'the connection breaks in the middle of every answer',
};
