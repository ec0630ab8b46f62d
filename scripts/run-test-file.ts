/**
 * Runs one test file in a process of its own and tells what came of it. Bounded: a file that does not end is killed and counted
 * as failed. Trusts no silence: Node calls a file passed when its process exits with 0, even in the middle of a test.
 */
import { run } from 'node:test';
import type { EventData } from 'node:test';
import type { TestEvent } from 'node:test/reporters';
import { inspect, stripVTControlCharacters } from 'node:util';

/** Four times what the longest takes on a machine of two processors that does nothing else. */
const FILE_MS_MAX = 300_000;

export interface FileResult {
  readonly file: string;
  readonly passed: number;
  readonly failed: number;
  readonly tookMs: number;
  /** What failed, and everything the file printed; empty when it passed. */
  readonly output: string;
}

/** Kills the file's process after `limitMs`. */
export async function runTestFile(file: string, limitMs = FILE_MS_MAX): Promise<FileResult> {
  const startedMs = performance.now();
  const trouble: string[] = [];
  const running = new Set<string>();
  let printed = '';
  let passed = 0;
  let failed = 0;
  let reachedItsEnd = false;
  const signal = AbortSignal.timeout(limitMs);
  const events: AsyncIterable<TestEvent> = run({ files: [file], isolation: 'process', concurrency: false, signal });
  for await (const { type, data } of events) {
    if (type === 'test:stdout' || type === 'test:stderr') printed += data.message;
    else if (type === 'test:diagnostic' && data.file !== undefined) printed += `${data.message}\n`;
    else if (type === 'test:dequeue') running.add(data.name);
    else if (type === 'test:complete') running.delete(data.name);
    else if (type === 'test:pass' && (data.skip !== undefined || data.todo !== undefined)) {
      trouble.push(`${where(data)}: was skipped, so it proves nothing`);
    } else if (type === 'test:fail') trouble.push(failureOf(data));
    else if (type === 'test:summary' && data.file !== undefined) reachedItsEnd = true;
    else if (type === 'test:summary') {
      passed = data.counts.passed;
      failed = data.counts.tests - data.counts.passed;
    }
  }
  if (signal.aborted) trouble.push(`killed after ${limitMs} ms; it still ran: ${[...running].join(' › ')}`);
  else if (!reachedItsEnd && failed === 0) {
    trouble.push('holds no test, or its process ended before its tests did');
    [passed, failed] = [0, 1];
  }
  const output = failed === 0 ? '' : [...trouble, printed].filter(Boolean).join('\n\n');
  return { file, passed, failed, tookMs: performance.now() - startedMs, output: indented(output) };
}

function where(data: { readonly name: string; readonly file?: string; readonly line?: number }): string {
  return `${data.name} (line ${data.line ?? 0})`;
}

function failureOf(data: EventData.TestFail): string {
  const { error, type } = data.details;
  // A suite fails because its tests did; they have said why.
  if (type === 'suite' && 'failureType' in error && error.failureType === 'subtestsFailed') return '';
  const cause = error.cause ?? error;
  return `${where(data)}:\n${typeof cause === 'string' ? cause : inspect(cause, { depth: 6, colors: false })}`;
}

function indented(text: string): string {
  return stripVTControlCharacters(text)
    .trimEnd()
    .replace(/^(?=.)/gm, '    ');
}
