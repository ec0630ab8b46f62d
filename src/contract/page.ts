/** A page of a list whose newest rows come first. */
export interface Page {
  /** Rows older than this id. */
  readonly before?: string | undefined;
  /** 1 to `limits.pageRowsMax`. */
  readonly limit: number;
}
