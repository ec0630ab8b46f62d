/** The cache over every tier, plain and over a way that fails. */
import { tierMakers } from '../helpers/cache-tiers.ts';
import { cacheSuite } from './cache-suite.ts';

for (const [name, make] of Object.entries(tierMakers)) cacheSuite(name, make);
