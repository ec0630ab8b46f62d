/** What of each process was written to `limit_spend` last: a batch whose confirmation was lost is written again, and counts once. */
export const spendBatches = {
  name: '0014-spend-batches',
  statements: [
    `create table limit_spend_batches (writer text primary key, number bigint not null, written_day integer not null)`,
  ],
} as const;
