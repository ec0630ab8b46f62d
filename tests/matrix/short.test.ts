/** A few cells of the matrix, one of every kind of fault that is told apart; `npm run matrix` has all. */
import { matrixSuite } from './matrix.ts';

matrixSuite(
  [
    ['redis-cache', 'stopped'],
    ['redis-state', 'killed'],
    ['redis-state', 'full'],
    ['postgres', 'cut'],
    ['postgres', 'killed'],
  ],
  6,
);
