/** The limits room: rules, two stores of counts, and the limiter over them. */
export { Limiter } from './limiter.ts';
