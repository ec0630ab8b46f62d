/**
 * The bounds of everything that could grow, in one place. A name carries its unit last. The configuration may lower or
 * raise those it names; the rest are fixed because nothing good lies beyond them.
 */
export const limits = {
  /** Largest request body: room for several images inside a vision request. */
  bodyBytesMax: 20 * 1024 * 1024,
  /** All request headers together. */
  headerBytesMax: 16 * 1024,
  /** From the first byte of a request to the last of its body. */
  requestReceiveMs: 30_000,
  /** Nesting of a JSON body. */
  jsonDepthMax: 64,
  /** Values in a JSON body, each key's and each item's one: more hold everybody up for a second. Embeddings are asked for 300,000 tokens at most. */
  jsonValuesMax: 500_000,
  /** Problems of a configuration that one line of the log tells. */
  configProblemsToldMax: 50,
  /** Messages of one chat request. */
  messagesMax: 4096,
  /** Tools of one chat request. */
  toolsMax: 512,
  /** Characters of the name of a key. */
  keyNameCharsMax: 100,
  /** Characters of a model name. */
  modelNameCharsMax: 256,
  /** Requests in flight in one instance; one more is told to come back. */
  requestsInFlightMax: 4096,
  /** Requests that one connection may have sent before the answer to the one ahead of them; with more it ends. */
  requestsWaitingMax: 32,
  /** Attempts of one request over retries, fallbacks and hedges. */
  attemptsMax: 4,
  /** What a caller may set a timer of a call to. */
  callerTimeoutMsMax: 3_600_000,
  /** How long the module of a guardrail may take to load. */
  guardrailLoadMs: 30_000,
  /** Largest plain answer of an upstream. */
  answerBytesMax: 64 * 1024 * 1024,
  /** Largest single SSE event of an upstream. */
  eventBytesMax: 4 * 1024 * 1024,
  /** Largest error body of an upstream that is read; the rest is dropped. */
  errorBodyBytesMax: 64 * 1024,
  /** How long the answer to an Idempotency-Key is kept. */
  idempotencyKeepMs: 24 * 60 * 60 * 1000,
  /** The largest answer that is kept for an Idempotency-Key. */
  idempotentAnswerBytesMax: 1024 * 1024,
  /** All answers together that one instance keeps for idempotency keys; the longest unused go first. */
  idempotentBytesMax: 64 * 1024 * 1024,
  /** Bodies that are answered from the cache again and again, as they came and parsed, in one instance; the longest unused go first. */
  knownBodiesBytesMax: 32 * 1024 * 1024,
  /** What kept answers are compressed to, in one instance; the longest unused go first. */
  compressedBytesMax: 16 * 1024 * 1024,
  /** Rows one page of a list holds. */
  pageRowsMax: 200,
  /** Characters of the messages of one side of a turn that a search looks in; PostgreSQL takes a megabyte of words. */
  searchableCharsMax: 100_000,
  /** Turns that a search reads by their words. Of words that more turns of a project hold, it looks through the newest turns instead. */
  searchMatchesMax: 5_000,
  /** The newest turns of a project that a search for such words looks through. */
  searchTurnsMax: 20_000,
  /** Characters of one fact in the memory. */
  memoryCharsMax: 4_000,
  /** Characters of what facts are recalled for; of a longer text the last ones count. */
  recallCharsMax: 8_000,
  /** Facts of one recall or search. */
  recallRowsMax: 50,
  /** Words that a recall looks up: the longest ones, which are the rarest. */
  recallWordsMax: 24,
  /** Facts that each of these words brings to be ranked; a commoner one brings that many, whichever the index has first. */
  recallMatchesMax: 500,
  /** The newest facts of a scope whose embeddings a recall compares. */
  recallVectorsMax: 10_000,
  /** Of these the nearest by the signs of their dimensions, whose whole embeddings are compared. Among fewer facts it is exact. */
  recallNearestMax: 200,
  /** One import of conversations: its bytes, and the turns in it. */
  importBytesMax: 16 * 1024 * 1024,
  importTurnsMax: 5_000,
  /** Run records that wait for the database, in bytes: 60,000 to 140,000. The oldest go first, counted. */
  runBacklogBytesMax: 64 * 1024 * 1024,
  /** What was said in runs that wait for the database; the oldest go first, counted. */
  contentBacklogMax: 20_000,
  /** Rows of the usage ledger that wait in memory for the database; more wait in the journal. */
  ledgerBacklogMax: 20_000,
  /** The ledger's journal on disk, in bytes: about 600,000 attempts. */
  ledgerJournalBytesMax: 256 * 1024 * 1024,
  /** Kept of a run's messages, newest first, and again of its answer, where the route keeps them; in characters of text. */
  contentCharsMax: 256 * 1024,
  /** What was said in runs and waits for the database, in bytes; the oldest go first, counted. */
  contentBacklogBytesMax: 64 * 1024 * 1024,
  /** The same, written at once. */
  contentBatchBytesMax: 2 * 1024 * 1024,
  /** Spans that wait for the collector of traces: about 1 kB each. What finds no room is dropped, counted. */
  spansWaitingMax: 8_192,
  /** Distinct breakers of one registry. */
  breakersMax: 10_000,
  /** Changes of health checks that one process remembers; the oldest go first. */
  healthChangesMax: 500,
  /** Breakers that are not closed and that a scrape names one by one; all of them are in the counts by state. */
  breakerSeriesMax: 500,
  /** How long an agent waits for one tool, and for what it remembers, in milliseconds. */
  agentToolMs: 60_000,
  agentRecallMs: 5_000,
  /** Tools of one step that run at once, and that one step may call. */
  agentToolsAtOnceMax: 8,
  agentToolsOfStepMax: 32,
  /** What is read of a tool's answer, and what of it the model is given. */
  toolAnswerBytesMax: 1024 * 1024,
  toolAnswerToModelBytesMax: 64 * 1024,
  /** The largest arguments of one call of a tool, and the largest text of one step of an agent; in characters. */
  toolArgumentsCharsMax: 256 * 1024,
  agentTextCharsMax: 4 * 1024 * 1024,
  /** Organisations, projects, keys, agents and routes whose limits one instance counts in its own memory. */
  limitSubjectsMax: 100_000,
  /** Turns of a conversation that are looked at for what a model is told of it. */
  historyTurnsMax: 1_000,
} as const;
