/** Rules for tests, and for every text that is published with the repository. */
import { posix } from 'node:path';
import type { Node } from 'oxc-parser';
import { missingFromLock, parseLock } from '../../scripts/complete-lock.ts';
import { fileRule } from './house.ts';
import type { Rule } from './house.ts';
import type { Source } from './source.ts';
import { nameOf, walk } from './tree.ts';

const RUNNERS = new Set(['test', 'it', 'describe', 'suite', 't', 'ctx', 'context']);
const SWITCHES = new Set(['only', 'skip', 'todo']);

/** `test.only(…)`, `t.skip()` and `test('…', { todo: true }, …)`. */
function switchIn(node: Node): string | null {
  if (node.type === 'MemberExpression' && node.object.type === 'Identifier' && RUNNERS.has(node.object.name)) {
    const name = nameOf(node.property);
    return SWITCHES.has(name) ? `${node.object.name}.${name}` : null;
  }
  if (node.type !== 'CallExpression' || node.callee.type !== 'Identifier' || !RUNNERS.has(node.callee.name))
    return null;
  for (const argument of node.arguments) {
    if (argument.type !== 'ObjectExpression') continue;
    for (const property of argument.properties) {
      if (property.type === 'Property' && SWITCHES.has(nameOf(property.key))) return `{ ${nameOf(property.key)} }`;
    }
  }
  return null;
}

const switchedOff = fileRule(
  'every-test-runs',
  'Let the test run: one that is left out proves nothing, and one that runs alone hides the others.',
  (source) => source.isTest,
  function* (source) {
    for (const { specifier, names, line } of source.edges) {
      const taken = specifier === 'node:test' ? names.filter((name) => SWITCHES.has(name)) : [];
      if (taken.length > 0) yield { line, seen: `imports ${taken.join(', ')}` };
    }
    yield* overTree(source, switchIn);
  },
);

function overTree(source: Source, look: (node: Node) => string | null): { line: number; seen: string }[] {
  const found: { line: number; seen: string }[] = [];
  walk(source.program, (node) => {
    const seen = look(node);
    if (seen !== null) found.push({ line: source.lineOf(node.start), seen });
  });
  return found;
}

const sleeping = fileRule(
  'no-sleep',
  'Move a VirtualClock, or wait for the state with a bound: a sleep is too long on a fast machine and too short on a slow one.',
  (source) => source.isTest,
  function* (source) {
    for (const { specifier, typeOnly, line } of source.edges) {
      if (!typeOnly && /^(node:)?timers(\/promises)?$/.test(specifier)) yield { line, seen: `imports ${specifier}` };
    }
    for (const { path, offset } of source.globals) {
      if (/^(setTimeout|setInterval|scheduler\.wait|Atomics\.wait)$/.test(path)) {
        yield { line: source.lineOf(offset), seen: `uses ${path}` };
      }
    }
    yield* overTree(source, (node) => {
      if (node.type !== 'MemberExpression' || node.object.type !== 'Identifier') return null;
      return node.object.name === 'systemClock' && nameOf(node.property) === 'sleep'
        ? 'sleeps on the system clock'
        : null;
    });
  },
);

/**
 * Traces of the machine a change was made on. The characters are escaped so that this file does not match itself; a path such as
 * `docs/work/` or `https://example.com/work/` is nobody's machine.
 */
const WORKPLACE =
  /(?<![\w.~:-])\/work\/|\/tmp\/(bash_jobs|brief)\b|\.\.\/shared\b|\/\.library\b|\/home\/\w+\/|\/Users\/\w+\//;

const workplace: Rule = {
  name: 'no-workplace',
  advice: 'Say it relative to the repository: nobody else has that folder.',
  *find({ texts }) {
    for (const [path, text] of texts) {
      for (const [index, line] of text.split('\n').entries()) {
        const seen = WORKPLACE.exec(line)?.[0];
        if (seen !== undefined) yield { path, line: index + 1, seen: `names ${seen}` };
      }
    }
  },
};

const PUBLIC_REGISTRY = '"resolved": "https://registry.npmjs.org/';

const lockfile: Rule = {
  name: 'public-registry',
  advice: 'Lock the package from https://registry.npmjs.org, or `npm ci` fails for everybody else.',
  *find({ texts }) {
    for (const [index, line] of (texts.get('package-lock.json') ?? '').split('\n').entries()) {
      if (line.includes('"resolved":') && !line.includes(PUBLIC_REGISTRY)) {
        yield { path: 'package-lock.json', line: index + 1, seen: line.trim() };
      }
    }
  },
};

const wholeLock: Rule = {
  name: 'whole-lock',
  advice:
    'Run `npm run lock`: npm left the entries of other platforms out, and `npm ci` refuses such a file everywhere.',
  *find({ texts }) {
    const text = texts.get('package-lock.json');
    for (const { by, name, version } of text === undefined ? [] : missingFromLock(parseLock(text))) {
      yield { path: 'package-lock.json', line: 1, seen: `no entry for ${name}@${version}, which ${by} names` };
    }
  },
};

const links: Rule = {
  name: 'dead-link',
  advice: 'Name the file as it is called, relative to the page, or write the page.',
  *find({ texts }) {
    const places = new Set(['']);
    for (const path of texts.keys()) {
      for (let at = path; at !== '.' && !places.has(at); at = posix.dirname(at)) places.add(at);
    }
    for (const [path, text] of texts) {
      if (!path.endsWith('.md')) continue;
      for (const { 1: target = '', index } of text.matchAll(/\]\(([^)\s#]+)[^)]*\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        const place = posix.join(posix.dirname(path), target).replace(/\/$/, '');
        const line = text.slice(0, index).split('\n').length;
        if (!places.has(place)) yield { path, line, seen: `links to ${target}` };
      }
    }
  },
};

export const textRules: readonly Rule[] = [switchedOff, sleeping, workplace, lockfile, wholeLock, links];
