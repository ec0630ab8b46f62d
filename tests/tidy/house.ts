/**
 * The house that the rules look at: every TypeScript file parsed, every other tracked text as it is, and the floor table of
 * ARCHITECTURE.md. A planted house for a rule's own proof is made of the same parts, so a rule cannot tell them apart.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSource } from './source.ts';
import type { Source } from './source.ts';

export interface Row {
  readonly floor: number;
  readonly room: string;
  readonly mayImport: readonly string[];
}

export interface House {
  readonly rows: readonly Row[];
  readonly sources: readonly Source[];
  /** All tracked files by path, the TypeScript ones included; one that is no text is empty here. */
  readonly texts: ReadonlyMap<string, string>;
}

export interface Hit {
  readonly path: string;
  readonly line: number;
  /** What was seen there. */
  readonly seen: string;
}

export interface Rule {
  readonly name: string;
  /** What to do about it. */
  readonly advice: string;
  find(house: House): Iterable<Hit>;
}

export function houseOf(texts: ReadonlyMap<string, string>, rows: readonly Row[]): House {
  const sources = [...texts].filter(([path]) => path.endsWith('.ts')).map(([path, text]) => parseSource(path, text));
  return { rows, sources, texts };
}

/** Everything Git tracks or would track: a rule that sees a file only after its commit comes too late. */
export function readHouse(root: URL): House {
  // A clone that another user owns (a mounted folder in a container) is as good as our own: it is only read.
  const list = ['-c', 'safe.directory=*', 'ls-files', '--cached', '--others', '--exclude-standard', '-z'];
  const texts = new Map<string, string>();
  for (const path of execFileSync('git', list, { cwd: root }).toString().split('\0')) {
    const file = join(fileURLToPath(root), path);
    if (path === '' || statSync(file, { throwIfNoEntry: false })?.isFile() !== true) continue;
    const text = readFileSync(file, 'utf8');
    texts.set(path, text.includes('\0') ? '' : text);
  }
  return houseOf(texts, floorTable(texts.get('ARCHITECTURE.md') ?? ''));
}

/** The rows of the table whose head is `| floor | room | may import …`. */
export function floorTable(markdown: string): Row[] {
  const rows: Row[] = [];
  let inside = false;
  for (const line of markdown.split('\n')) {
    const cells = line.split('|').map((cell) => cell.trim());
    if (cells[1] === 'floor' && cells[2] === 'room') inside = true;
    else if (inside && cells.length < 5) break;
    else if (inside && /^\d+$/.test(cells[1] ?? '')) {
      const allowed = cells[3] ?? '';
      const mayImport = allowed === 'nothing' ? [] : allowed.split(',').map((name) => name.trim());
      rows.push({ floor: Number(cells[1]), room: cells[2] ?? '', mayImport });
    }
  }
  return rows;
}

/** A rule over single files. */
export function fileRule(
  name: string,
  advice: string,
  applies: (source: Source) => boolean,
  find: (source: Source) => Iterable<{ readonly line: number; readonly seen: string }>,
): Rule {
  return {
    name,
    advice,
    *find(house) {
      for (const source of house.sources) {
        if (applies(source)) for (const hit of find(source)) yield { path: source.path, ...hit };
      }
    },
  };
}

/** What runs in production: `src/` without its tests. */
export function isProduction(source: Source): boolean {
  return source.path.startsWith('src/') && !source.isTest;
}

const SHOWN_MAX = 30;

/** Where, which rule and what was seen, a line each; then what to do. */
export function report(rule: Rule, hits: readonly Hit[]): string {
  const lines = hits.slice(0, SHOWN_MAX).map(({ path, line, seen }) => `${path}:${line}  [${rule.name}] ${seen}`);
  if (hits.length > SHOWN_MAX) lines.push(`and ${hits.length - SHOWN_MAX} more`);
  return [...lines, `→ ${rule.advice}`].join('\n');
}
