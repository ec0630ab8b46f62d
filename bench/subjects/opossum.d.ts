/** What the benchmark uses of opossum, which brings no types. */
declare module 'opossum' {
  class CircuitBreaker {
    constructor(action: () => Promise<unknown>, options: { timeout: number | false; resetTimeout?: number });
    fire(): Promise<unknown>;
    open(): void;
  }
  export { CircuitBreaker as 'module.exports' };
}
