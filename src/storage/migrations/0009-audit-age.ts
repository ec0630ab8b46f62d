/** The audit log has an age from which it is deleted, found without reading the whole of it. */
export const auditAge = {
  name: '0009-audit-age',
  statements: [`create index audit_by_time on audit (at_ms)`],
} as const;
