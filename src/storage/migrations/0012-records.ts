/**
 * What is written behind every request names the project of the key that it came with, which was read from this database: to look the
 * project up again for each row was a fifth (PostgreSQL) to a third (PGlite) of what a row costs. No project is ever deleted.
 */
export const records = {
  name: '0012-records',
  statements: [
    // Before projects, as whoever inserts into them: the other way round one of the two is ended for a deadlock.
    `lock table runs, usage in access exclusive mode`,
    `alter table runs drop constraint runs_project_id_fkey`,
    `alter table usage drop constraint usage_project_id_fkey`,
  ],
} as const;
