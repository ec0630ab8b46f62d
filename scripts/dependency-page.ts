/** docs/dependencies.md: the table of tests/matrix as a page. */
import { DEPENDENCIES, FAULT_WORDS, FAULTS, matrix, OPERATIONS, RECOVERS_MS } from '../tests/matrix/table.ts';

const NAMES = { 'redis-cache': 'Redis, cache', 'redis-state': 'Redis, state', postgres: 'PostgreSQL' } as const;

export function dependencyPage(): string {
  const lines = [
    '# When a dependency fails',
    '',
    'Made from `tests/matrix/table.ts` by `npm run generate`, and held by tests on real servers: `npm test` a few rows of it, `npm run matrix` all.',
    'A time is the longest that anybody waits for the answer.',
    '',
    'In every cell: an instance that can serve stays ready; a key that cannot be looked up is answered 503 and never 401; no row of the usage ledger is lost;',
    `when the fault is over, everything is as before within ${RECOVERS_MS / 1000} s, by itself.`,
    '',
    '- **serves**: as ever. **recomputes**: answered, where need be by asking the upstream again.',
    '- **written**: answered, and its row is in the database. **kept**: answered, and its row is written when the database is back.',
    '- **limits**: what is over the limit is refused with 429. **shares**: the same, and each instance allows the limit divided by the instances that live.',
    '- **says so**: 503 with Retry-After. **either**: served or said so, because what is asked takes just as long as it may. **ready**: `/health/live` and `/health/ready` answer 200.',
    '',
    ...FAULTS.map((fault) => `- ${fault}: ${FAULT_WORDS[fault]}`),
  ];
  for (const dependency of DEPENDENCIES) {
    lines.push('', `## ${NAMES[dependency]}`, '', row(['', ...OPERATIONS]), row(['-', ...OPERATIONS.map(() => '-')]));
    for (const fault of FAULTS) {
      const cells = OPERATIONS.map((operation) => matrix[dependency][fault][operation]);
      lines.push(row([fault, ...cells.map(({ behaves, withinMs }) => `${behaves}, ${withinMs / 1000} s`)]));
    }
  }
  return `${lines.join('\n')}\n`;
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}
