/**
 * Alert rules and Alertmanager's settings with their times divided, so that a drill takes seconds. What is asked, and how much of it is too
 * much, stays as it is.
 */

const UNITS = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;
/** `rate` needs a few scrapes. */
const WINDOW_S_MIN = 5;

export function fasterRules(text: string, factor: number): string {
  const divided = (duration: string, least: number): string =>
    `${Math.max(least, Math.round(seconds(duration) / factor))}s`;
  return text
    .replaceAll(/\[(\d+[smhd])\]/g, (_, duration: string) => `[${divided(duration, WINDOW_S_MIN)}]`)
    .replaceAll(
      /\b(for|keep_firing_for|offset)(:? )(\d+[smhd])\b/g,
      (_, word: string, gap: string, duration: string) => `${word}${gap}${divided(duration, 1)}`,
    )
    .replaceAll(/\* 3600\b/g, `* ${3_600 / factor}`);
}

export function fasterAlertmanager(text: string, factor: number): string {
  return text.replaceAll(/\b(group_wait|group_interval): (\d+[smhd])\b/g, (_, word: string, duration: string) => {
    const least = word === 'group_wait' ? 0 : 1;
    return `${word}: ${Math.max(least, Math.round(seconds(duration) / factor))}s`;
  });
}

function seconds(duration: string): number {
  const unit = duration.at(-1) as keyof typeof UNITS;
  return Number(duration.slice(0, -1)) * UNITS[unit];
}
