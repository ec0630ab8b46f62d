/**
 * The configuration file as plain values, with the line each came from. YAML 1.2, of which JSON is a part; nothing is executed,
 * aliases are bounded by the parser. `${VAR}` and `${VAR:-default}` inside strings are replaced from the environment, `$${` writes `${`.
 */
import { readFileSync } from 'node:fs';
import { isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { ErrorCode, ParsedNode } from 'yaml';
import { messageOf } from '#core/errors';
import { limits } from '#core/limits';
import type { Problem } from './problem.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface FileValues {
  readonly value: unknown;
  /** `revoagent.yaml:12` by JSON pointer. */
  readonly origins: ReadonlyMap<string, string>;
  /** Pointers of texts that hold a reference: what is a number by its schema may come as one. */
  readonly fromEnvironment: ReadonlySet<string>;
  readonly problems: readonly Problem[];
}

const FILE_BYTES_MAX = 4 * 1024 * 1024;

export function readConfigFile(file: string, env: Environment): FileValues {
  let source: string;
  try {
    const bytes = readFileSync(file);
    if (bytes.length > FILE_BYTES_MAX) return failed(file, `is larger than ${FILE_BYTES_MAX} bytes`);
    source = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    return failed(file, whyUnreadable(error));
  }
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false });
  const place = (offset: number): string => `${file}:${lines.linePos(offset).line}`;
  // The parser gives up several times on what is nested too deep, each time a little further out.
  const exhausted = document.errors.filter(({ code }) => code === 'RESOURCE_EXHAUSTION').slice(0, 1);
  const found = exhausted.length > 0 ? exhausted : [...document.errors, ...document.warnings];
  const problems: Problem[] = found.map((error) => ({
    path: '',
    origin: place(error.pos[0]),
    message: YAML_ERRORS[error.code] ?? withoutSource(error.message),
  }));
  const origins = new Map<string, string>();
  const fromEnvironment = new Set<string>();
  if (problems.length > 0) return { value: undefined, origins, fromEnvironment, problems };
  const reader = { env, place, origins, fromEnvironment, problems };
  const root = document.contents;
  return { value: root === null ? undefined : read(root, '', 1, reader), origins, fromEnvironment, problems };
}

const TOO_DEEP = `is nested deeper than ${limits.jsonDepthMax} levels; no setting is`;

/** Where the parser speaks to programmers. */
const YAML_ERRORS: Readonly<Partial<Record<ErrorCode, string>>> = {
  BAD_DIRECTIVE: 'a line that begins with "%" is for the parser, and it does not know this one',
  DUPLICATE_KEY: 'this key stands here a second time; keep one of the two',
  MULTIPLE_DOCS: 'a second document begins here; keep one',
  RESOURCE_EXHAUSTION: TOO_DEEP,
  TAG_RESOLVE_FAILED: 'tags ("!name") are not supported here; write the plain value',
};

/** Behind a colon the parser quotes what it met: that may be part of a password. */
function withoutSource(message: string): string {
  return message.replace(/: .*$/su, '');
}

const FILE_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'is a folder, not a file',
  EACCES: 'cannot be read: this user is not allowed to',
  ERR_ENCODING_INVALID_ENCODED_DATA: 'is not UTF-8 text; save it as UTF-8',
};

function whyUnreadable(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return FILE_ERRORS[code] ?? `cannot be read: ${messageOf(error)}`;
}

function failed(file: string, message: string): FileValues {
  const problems = [{ path: '', origin: file, message }];
  return { value: undefined, origins: new Map(), fromEnvironment: new Set(), problems };
}

interface Reader {
  readonly env: Environment;
  readonly place: (offset: number) => string;
  readonly origins: Map<string, string>;
  readonly fromEnvironment: Set<string>;
  readonly problems: Problem[];
}

function read(node: ParsedNode, pointer: string, depth: number, reader: Reader): unknown {
  reader.origins.set(pointer, reader.place(node.range[0]));
  if (depth > limits.jsonDepthMax && !isScalar(node)) {
    const [, top = ''] = pointer.split('/');
    reader.problems.push({ path: dotted(`/${top}`), origin: reader.place(node.range[0]), message: TOO_DEEP });
    return null;
  }
  if (isMap(node)) {
    const value: Record<string, unknown> = {};
    for (const pair of node.items) {
      const key = isScalar(pair.key) ? String(pair.key.value) : '';
      const inner = `${pointer}/${escapePointer(key)}`;
      Object.defineProperty(value, key, {
        value: pair.value === null ? null : read(pair.value, inner, depth + 1, reader),
        enumerable: true,
        configurable: true,
        writable: true,
      });
      if (isScalar(pair.key) && pair.key.range) reader.origins.set(inner, reader.place(pair.key.range[0]));
    }
    return value;
  }
  if (isSeq(node)) return node.items.map((item, index) => read(item, `${pointer}/${index}`, depth + 1, reader));
  if (!isScalar(node)) {
    reader.problems.push({
      path: dotted(pointer),
      origin: reader.place(node.range[0]),
      message: 'anchors and aliases are not supported here; write the value out',
    });
    return null;
  }
  return typeof node.value === 'string' ? substitute(node.value, pointer, reader) : node.value;
}

const REFERENCE = /\$(\$\{)|\$\{([^}]*)\}/g;
const NAME = /^([A-Za-z_][A-Za-z0-9_]*)(?::-([\s\S]*))?$/;

function substitute(text: string, pointer: string, { env, origins, fromEnvironment, problems }: Reader): string {
  return text.replace(REFERENCE, (whole, escaped: string | undefined, reference: string | undefined) => {
    if (escaped !== undefined) return escaped;
    const origin = origins.get(pointer) ?? '';
    const parts = NAME.exec(reference ?? '');
    fromEnvironment.add(pointer);
    if (parts === null) {
      // What stands there is not repeated: it may be part of a password.
      problems.push({
        path: dotted(pointer),
        origin,
        message:
          'holds "${" that begins no reference; write ${NAME} or ${NAME:-default}, and $${ for the characters themselves',
      });
      return whole;
    }
    const [, name = '', fallback] = parts;
    const value = env[name];
    if (value !== undefined && value !== '') return value;
    if (fallback !== undefined) return fallback;
    problems.push({
      path: dotted(pointer),
      origin,
      message: `the environment variable ${name} is not set; set it, or write \${${name}:-default}`,
    });
    return whole;
  });
}

export function escapePointer(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** `/routes/gpt-4o/groups/0` as `routes.gpt-4o.groups[0]`. */
export function dotted(pointer: string): string {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce((path, part) => (/^\d+$/.test(part) ? `${path}[${part}]` : path === '' ? part : `${path}.${part}`), '');
}
