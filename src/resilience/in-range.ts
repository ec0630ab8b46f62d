/** Numbers that the mechanisms are told: one that is none compares as neither too small nor too large, and would hold for ever or never. */

/** The value; throws a `RangeError` that names it where it is not within the bounds. */
export function inRange(name: string, value: number, least: number, most = Number.POSITIVE_INFINITY): number {
  if (value >= least && value <= most) return value;
  const bounds = most === Number.POSITIVE_INFINITY ? `${least} or more` : `from ${least} to ${most}`;
  throw new RangeError(`${name} is ${bounds}, not ${value}`);
}
