/**
 * What storage promises, whichever database is behind it. Defined once and run over every one, so that a person who begins with
 * the embedded database and moves to PostgreSQL meets the same hub. Every test works in projects of its own.
 */
import { after, before, describe } from 'node:test';
import type { Storage, StorageTarget } from '#storage/index';
import { openTestStorage } from '../helpers/storage.ts';
import { contentLifeSuite } from './content-life-suite.ts';
import { contentSuite } from './content-suite.ts';
import { auditSuite, claimSuite, instanceSuite, keySuite, purgeSuite, runSuite, spendSuite } from './store-suites.ts';
import { agentSuite } from './agent-suite.ts';
import { conversationSuite } from './conversation-suite.ts';
import { retentionSuite } from './retention-suite.ts';
import { lifeSuite } from './storage-life-suite.ts';
import { memorySuite } from './memory-suite.ts';
import { usageSuite } from './usage-suite.ts';
import { writerSuite } from './run-writer-suite.ts';

export interface Database {
  /** Where an empty database is. */
  create(): Promise<StorageTarget>;
  destroy(): Promise<void>;
}

export function storageSuite(name: string, prepare: () => Promise<Database>): void {
  describe(`storage on ${name}`, () => {
    let database: Database;
    let storage: Storage;
    before(async () => {
      database = await prepare();
      ({ storage } = await openTestStorage(await database.create()));
    });
    after(async () => {
      await storage.close();
      await database.destroy();
    });

    keySuite(() => storage);
    runSuite(() => storage);
    purgeSuite(() => storage);
    auditSuite(() => storage);
    usageSuite(() => storage);
    claimSuite(() => storage);
    instanceSuite(() => storage);
    spendSuite(() => storage);
    contentSuite(() => storage);
    contentLifeSuite(() => storage);
    agentSuite(() => storage);
    conversationSuite(() => storage);
    memorySuite(() => storage);
    retentionSuite(() => storage);
    writerSuite(() => storage);
    lifeSuite(() => database.create());
  });
}
