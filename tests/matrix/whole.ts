/** `npm run matrix`: every dependency in every fault. Takes minutes; wants a machine of its own, because the stated times are meant. */
import { matrixSuite } from './matrix.ts';
import { DEPENDENCIES, FAULTS } from './table.ts';

const slack = Number(process.env['MATRIX_SLACK'] ?? '1');
matrixSuite(
  DEPENDENCIES.flatMap((dependency) => FAULTS.map((fault) => [dependency, fault] as const)),
  slack,
);
