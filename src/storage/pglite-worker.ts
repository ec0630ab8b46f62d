/**
 * The thread that holds PGlite. Its queries run to their end in microtasks, so that on the hub's own thread a busy database
 * would starve every socket and timer. One message in, one message out, in order.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import { unpackNewDatabase } from './new-database.ts';

export type Request =
  | { readonly id: number; readonly sql: string; readonly parameters: readonly unknown[] }
  | { readonly id: number; readonly close: true };
export type Reply =
  | { readonly id: number; readonly rows: unknown[]; readonly affected: number }
  | { readonly id: number; readonly error: { readonly message: string; readonly code: string | undefined } }
  | { readonly ready: true };

const INT8_OID = 20;
/** One session reads what the system keeps in memory anyway; PostgreSQL's 128 MB are written through at every start, half a second of a core. */
const SHARED_BUFFERS = '16MB';

async function serve(dataDir: string): Promise<void> {
  const port = parentPort;
  if (port === null) throw new Error('pglite-worker runs as a worker thread only');
  unpackNewDatabase(dataDir);
  const database = await PGlite.create({
    dataDir,
    parsers: { [INT8_OID]: Number },
    startParams: [...PGlite.defaultStartParams, '-c', `shared_buffers=${SHARED_BUFFERS}`],
  });
  let last: Promise<void> = Promise.resolve();
  port.on('message', (request: Request) => {
    last = last.then(async () => {
      port.postMessage(await answer(database, request));
      if ('close' in request) port.close();
    });
  });
  port.postMessage({ ready: true } satisfies Reply);
}

async function answer(database: PGlite, request: Request): Promise<Reply> {
  try {
    if ('close' in request) {
      await database.close();
      return { id: request.id, rows: [], affected: 0 };
    }
    const { rows, affectedRows } = await database.query(request.sql, [...request.parameters]);
    return { id: request.id, rows, affected: affectedRows ?? 0 };
  } catch (error) {
    const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
    return { id: request.id, error: { message: error instanceof Error ? error.message : String(error), code } };
  }
}

const settings: unknown = workerData;
if (
  typeof settings !== 'object' ||
  settings === null ||
  !('dataDir' in settings) ||
  typeof settings.dataDir !== 'string'
) {
  throw new Error('pglite-worker needs {dataDir}');
}
await serve(settings.dataDir);
