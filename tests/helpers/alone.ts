/** An instance that serves by itself and has room for everybody. */
import type { Instances } from '#contract/instances';
import type { LoadGate } from '#contract/load';

const self = {
  id: 'hub-1',
  address: 'http://127.0.0.1:1',
  version: '0.1.0',
  capacity: 100,
  draining: false,
  startedWallMs: 1_767_225_600_000,
};

const instances: Instances = { self: self.id, source: 'alone', liveInstances: () => 1, list: () => [self] };
const load: LoadGate = { admittedShare: 1, admit: () => null };

export const alone = { instances, load };
