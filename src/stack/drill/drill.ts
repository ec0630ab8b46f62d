/**
 * One drill on a running stack: the fault is provoked, the alert waited for in Prometheus and in Alertmanager, the runbook's own commands
 * carried out, and the end of the alert waited for. Whatever happens, what was provoked is made good.
 */
import type { Clock } from '#core/clock';
import { messageOf } from '#core/errors';
import type { Runbook } from './runbook.ts';
import { Unavailable, endLeft, runBlock } from './shell.ts';
import type { Shell } from './shell.ts';
import { startTraffic } from './traffic.ts';
import { firing, told, until } from './watch.ts';
import type { Watched } from './watch.ts';

/** From the fault to the alert, and from the mitigation to its end. */
const FIRE_MS_MAX = 240_000;
const CLEAR_MS_MAX = 180_000;

export interface DrillReport {
  readonly alert: string;
  readonly outcome: 'passed' | 'failed' | 'not run';
  /** Milliseconds; null where it did not come so far. */
  readonly firedMs: number | null;
  readonly toldMs: number | null;
  readonly mitigatedMs: number | null;
  readonly clearedMs: number | null;
  readonly sent: number;
  readonly failed: number;
  /** Other alerts that fired meanwhile: symptoms, mostly. */
  readonly others: readonly string[];
  readonly reason: string | null;
}

export interface DrillParts extends Watched {
  readonly clock: Clock;
  readonly shell: Shell;
  readonly hub: string;
  readonly onStep: (step: string, output?: string) => void;
}

/** Never rejects: what went wrong is the report's `reason`. */
export async function drill(runbook: Runbook, parts: DrillParts): Promise<DrillReport> {
  const { clock, shell, hub, onStep } = parts;
  const times = { firedMs: null, toldMs: null, mitigatedMs: null, clearedMs: null } as Record<
    'firedMs' | 'toldMs' | 'mitigatedMs' | 'clearedMs',
    number | null
  >;
  const others = new Set<string>();
  const traffic = startTraffic(clock, hub);
  const { alert } = runbook;
  const fires = async (): Promise<boolean> => {
    const names = await firing(parts);
    for (const name of names) if (name !== alert) others.add(name);
    return names.includes(alert);
  };
  let outcome: DrillReport['outcome'] = 'passed';
  let reason: string | null = null;
  try {
    if (runbook.provoke === null) throw new Error(runbook.undrilled ?? 'not drilled');
    // The symptoms of the drill before may be on their way out.
    if ((await until(clock, CLEAR_MS_MAX, async () => !(await fires()))) === null)
      throw new Error('it fires already, before anything was provoked');
    others.clear();
    onStep('provoke');
    await runBlock(shell, runbook.provoke);
    times.firedMs = await until(clock, FIRE_MS_MAX, fires);
    if (times.firedMs === null) throw new Error(`it did not fire within ${FIRE_MS_MAX / 1000} s`);
    onStep(`fires after ${(times.firedMs / 1000).toFixed(1)} s`);
    times.toldMs = await until(clock, CLEAR_MS_MAX, async () => (await told(parts)).includes(alert));
    if (times.toldMs === null) throw new Error('Alertmanager did not hear of it');
    for (const block of runbook.diagnosis) onStep('diagnosis', await runBlock(shell, block));
    const begunAt = clock.now();
    for (const block of runbook.mitigation) onStep('mitigation', await runBlock(shell, block));
    times.mitigatedMs = clock.now() - begunAt;
    if (runbook.restore !== null) onStep('restore', await runBlock(shell, runbook.restore));
    times.clearedMs = await until(
      clock,
      CLEAR_MS_MAX,
      async () => !(await fires()) && !(await told(parts)).includes(alert),
    );
    if (times.clearedMs === null) throw new Error(`it was not over within ${CLEAR_MS_MAX / 1000} s`);
    onStep(`over after ${(times.clearedMs / 1000).toFixed(1)} s`);
  } catch (error) {
    reason = messageOf(error);
    outcome = error instanceof Unavailable ? 'not run' : 'failed';
    for (const block of [...runbook.mitigation, runbook.restore ?? ''])
      await runBlock(shell, block).catch((failure: unknown) => onStep('making good', messageOf(failure)));
  } finally {
    endLeft(shell);
    traffic.stop();
  }
  const { sent, failed } = traffic;
  return { alert, outcome, ...times, sent, failed, others: [...others], reason };
}
