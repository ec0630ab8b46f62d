/** Every tier of the cache through the one suite. */
import { tierMakers } from '../helpers/cache-tiers.ts';
import { tierSuite } from './cache-tier-suite.ts';

for (const [name, make] of Object.entries(tierMakers)) tierSuite(name, make);
