/** The resilience room, in the hub and as `revoagent/resilience`. */
export { Breaker } from './breaker/breaker.ts';
export type { BreakerSnapshot, Permit, Rejection, Transition } from './breaker/breaker.ts';
export { BREAKER_DEFAULTS } from './breaker/options.ts';
export type { BreakerOptions } from './breaker/options.ts';
export type { State, StateKind } from './breaker/state.ts';
export { BreakerRegistry } from './registry.ts';
export type { RegistryOptions } from './registry.ts';
export { RetryBudget } from './retry-budget.ts';
export type { RetryBudgetOptions } from './retry-budget.ts';
