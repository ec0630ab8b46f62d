/** A runbook as a program: its parts, and the fenced blocks of shell in them. What a person would type is what a drill runs. */

export const SECTIONS = ['Meaning', 'Impact', 'Diagnosis', 'Mitigation', 'Drill'] as const;
export type Section = (typeof SECTIONS)[number];

export interface Runbook {
  readonly alert: string;
  readonly diagnosis: readonly string[];
  readonly mitigation: readonly string[];
  readonly provoke: string | null;
  /** Makes good what was provoked, where the mitigation does not. */
  readonly restore: string | null;
  /** Why it is not drilled; null where it is. */
  readonly undrilled: string | null;
}

/** `HubDown` → `hub-down`, the page's name. */
export function pageOf(alert: string): string {
  return alert.replaceAll(/(?!^)([A-Z])/g, '-$1').toLowerCase();
}

/** Throws where a part is missing or a block has no meaning. */
export function parseRunbook(text: string): Runbook {
  const alert = /^# (\w+)$/m.exec(text)?.[1];
  if (alert === undefined) throw new Error('a runbook begins with "# " and the name of its alert');
  const parts = new Map(
    text
      .split(/^## /m)
      .slice(1)
      .map((part) => [part.split('\n', 1)[0]?.trim() ?? '', part]),
  );
  const missing = SECTIONS.filter((section) => !parts.has(section));
  if (missing.length > 0) throw new Error(`${alert}: no section ${missing.join(', ')}`);
  const blocks = (section: Section, tag: string): string[] =>
    [...(parts.get(section) ?? '').matchAll(/^```sh(.*)\n([^]*?)^```$/gm)]
      .filter(([, words = '']) => words.trim() === tag)
      .map(([, , body = '']) => body);
  const provoke = blocks('Drill', 'provoke')[0] ?? null;
  const words = (parts.get('Drill') ?? '').split('\n').slice(1).join(' ').trim();
  if (provoke === null && !words.startsWith('Not drilled'))
    throw new Error(`${alert}: neither a block "sh provoke" nor why it is not drilled`);
  return {
    alert,
    diagnosis: blocks('Diagnosis', ''),
    mitigation: blocks('Mitigation', ''),
    provoke,
    restore: blocks('Drill', 'restore')[0] ?? null,
    undrilled: provoke === null ? words.replaceAll(/\s+/g, ' ') : null,
  };
}
