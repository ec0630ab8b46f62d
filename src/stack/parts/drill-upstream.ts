/** The upstream of a stack for drills, and the hubs' configuration that names it: one provider that can be made ill, and a spare one. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { environmentWith } from '#config/index';
import type { Layout } from '../layout.ts';
import type { Part } from '../part.ts';
import { answersOk } from '../probes.ts';

export const DRILL_UPSTREAM = 'drill-upstream';

export function drillUpstreamPart(layout: Layout): Part {
  const program = fileURLToPath(new URL(`../drill/upstream-worker${path.extname(import.meta.url)}`, import.meta.url));
  const ports = (['drillUpstream', 'drillSpare', 'drillControl'] as const).map((name) => String(layout.port(name)));
  const control = `http://${layout.local('drillControl')}`;
  return {
    name: DRILL_UPSTREAM,
    needs: [],
    command: [process.execPath, program, ...ports],
    env: environmentWith({}),
    binds: [layout.local('drillUpstream'), layout.local('drillSpare'), layout.local('drillControl')],
    prepare: () => {
      mkdirSync(layout.in('drill'), { recursive: true, mode: 0o700 });
      writeFileSync(layout.in('drill', 'guardrail.mjs'), GUARDRAIL);
      writeFileSync(layout.in('drill', 'revoagent.json'), `${JSON.stringify(configOf(layout), null, 2)}\n`);
    },
    isReady: (signal) => answersOk(control, signal),
    readyMs: 20_000,
    stopSignal: 'SIGTERM',
    stopMs: 5_000,
    shown: { what: 'drill upstream', url: control },
  };
}

/** Lets everything pass, and takes its time where a file beside it says how many milliseconds. */
const GUARDRAIL = `import { readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';

const pass = async () => {
  await setTimeout(Number(await readFile(new URL('guardrail-ms', import.meta.url), 'utf8').catch(() => 0)));
  return { action: 'allow' };
};
export { pass as before, pass as after };
`;

function configOf(layout: Layout): Record<string, unknown> {
  const provider = (port: 'drillUpstream' | 'drillSpare') => ({
    kind: 'openai-compatible',
    baseUrl: `http://${layout.local(port)}/v1`,
  });
  return {
    providers: { drill: provider('drillUpstream'), spare: provider('drillSpare') },
    routes: {
      drill: {
        groups: [[{ provider: 'drill', model: 'drill' }]],
        cache: { ttlMs: 2_000 },
        guardrail: { module: 'guardrail.mjs', onFailure: 'open', timeoutMs: 5_000 },
      },
      plain: { groups: [[{ provider: 'spare', model: 'drill' }]] },
    },
    prices: { 'drill/*': { inputUsd: 1, outputUsd: 2 } },
    external: { drill: { baseUrl: `http://${layout.local('drillUpstream')}/`, allowPrivate: true } },
  };
}
