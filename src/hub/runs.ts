/**
 * Runs for the command line, asked of a running hub, which alone holds those under way and owns the embedded database. An answer is
 * held against the document's schema: a hub of another version is told as that.
 */
import type { Static, TSchema } from 'typebox';
import { Value } from 'typebox/value';
import type { Config } from '#config/index';
import { listSchema } from '#http/wire/common';
import { runSchema } from '#http/wire/run';
import type { RunView } from '#http/wire/run';
import { localHubClient, problemOf, remoteHubClient } from './hub-client.ts';
import type { HubAnswer, HubClient } from './hub-client.ts';

export interface HubRuns {
  /** Newest first. `limit`: 1 to 200. */
  list(limit: number): Promise<readonly RunView[]>;
  show(id: string): Promise<RunView>;
  close(): Promise<void>;
}

/** Each method throws an `Error` in words that say what to do. */
export function runsAt(address: string, key: string | undefined): HubRuns {
  const refused =
    key === undefined
      ? `The hub at ${address} wants a key: set REVOAGENT_KEY to one of its keys.`
      : `The hub at ${address} does not accept the key in REVOAGENT_KEY.`;
  return runsOver(remoteHubClient(address, key), refused);
}

/** As `runsAt`, of the hub that runs on this configuration's data folder: it asks for no key. */
export async function localRuns({ storage: { dataDir } }: Config): Promise<HubRuns> {
  const client = await localHubClient(dataDir);
  if (client === null)
    throw new Error(
      `No hub runs on the data folder ${dataDir}. Start one (revoagent serve), or name one with --url http://host:port and its key in REVOAGENT_KEY.`,
    );
  return runsOver(client, 'The hub wants a key on its local socket.');
}

function runsOver(client: HubClient, refused: string): HubRuns {
  const read = async <S extends TSchema>(path: string, schema: S, missing?: string): Promise<Static<S>> => {
    const answer = await client.ask('GET', path);
    if (answer.status === 200) return checked(schema, answer);
    if (answer.status === 401) throw new Error(refused);
    throw new Error(answer.status === 404 && missing !== undefined ? missing : problemOf(answer));
  };
  return {
    list: async (limit) => (await read(`/api/runs?limit=${limit}`, listSchema(runSchema))).data,
    show: (id) =>
      read(
        `/api/runs/${encodeURIComponent(id)}`,
        runSchema,
        `There is no run ${id} that may be seen here. See: revoagent runs list`,
      ),
    close: () => client.close(),
  };
}

function checked<S extends TSchema>(schema: S, { body }: HubAnswer): Static<S> {
  if (Value.Check(schema, body)) return body;
  throw new Error('The hub answers in another form than this command knows: use the revoagent of the hub’s version.');
}
