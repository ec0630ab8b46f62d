/** What is deleted with age is found without reading the whole of its table. */
export const retention = {
  name: '0011-retention',
  statements: [
    `create index conversations_by_update on conversations (updated_ms)`,
    `create index memories_by_time on memories (created_ms)`,
    `create index keys_revoked on keys (revoked_ms) where revoked_ms is not null`,
    `create index usage_months_by_month on usage_months (month_ms)`,
  ],
} as const;
