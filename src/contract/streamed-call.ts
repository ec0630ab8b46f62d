/**
 * One tool call of a stream, as far as it has come: tells which further pieces are its own. OpenAI numbers the calls of an answer; others
 * leave the number out or give 0 to all (Ollama, Dynamo, LMDeploy), some say a call's name in each of its pieces, and some give each piece an
 * id of its own (older vLLM, Poolside). Keeps what it is called, and none of its arguments.
 */

type Piece = Readonly<Record<string, unknown>>;

export class StreamedCall {
  #index: unknown;
  #id = '';
  #name = '';
  /** As the last piece that named it has it. */
  #named = '';
  /** Something was said of its arguments; white space before their JSON is nothing yet. */
  #argued = false;
  /** Where in the JSON of its arguments: how deep, and whether in a text and behind a backslash there. */
  #depth = 0;
  #quoted = false;
  #escaped = false;

  /** As it was said first; empty where it was not. */
  get id(): string {
    return this.#id;
  }

  /** In one, where it came in parts. */
  get name(): string {
    return this.#name;
  }

  /** Whether its arguments have come to the end of their JSON. */
  get isWhole(): boolean {
    return this.#argued && this.#depth <= 0 && !this.#quoted;
  }

  /** Whether their numbers tell this call from that of the piece. */
  isNumberedOtherwise({ index }: Piece): boolean {
    return isGiven(index) && isGiven(this.#index) && index !== this.#index;
  }

  /** Whether the piece is of another call than this one. */
  isOther(piece: Piece): boolean {
    if (this.isNumberedOtherwise(piece)) return true;
    const { id, name, text } = partsOf(piece);
    // Whatever its id: no call is begun without a name.
    if (name === '') return false;
    if (id !== '' && this.#id !== '') return id !== this.#id;
    // Said again with more arguments after those that are whole: the same tool once more. With none, it is but said again.
    if (name === this.#named) return text !== '' && this.isWhole;
    // A name may come late or in parts where the call has a number, and not after the arguments have begun.
    return this.#argued || (!isGiven(piece['index']) && this.#named !== '');
  }

  /** Returns what the piece says of the arguments. */
  take(piece: Piece): string {
    const { id, name, text } = partsOf(piece);
    this.#index ??= piece['index'];
    if (this.#id === '') this.#id = id;
    if (name !== this.#name) this.#name += name;
    if (name !== '') this.#named = name;
    this.#argued ||= text.trim() !== '';
    for (const char of text) this.#read(char);
    return text;
  }

  #read(char: string): void {
    if (this.#escaped) this.#escaped = false;
    else if (this.#quoted && char === '\\') this.#escaped = true;
    else if (char === '"') this.#quoted = !this.#quoted;
    else if (this.#quoted) return;
    else if (char === '{' || char === '[') this.#depth++;
    else if (char === '}' || char === ']') this.#depth--;
  }
}

/** Of these calls, that which the piece goes on with; undefined where it begins one. */
export function continuedBy<Call extends { readonly streamed: StreamedCall }>(
  piece: Piece,
  calls: readonly Call[],
): Call | undefined {
  const near = calls.findLast(({ streamed }) => !streamed.isNumberedOtherwise(piece));
  return near?.streamed.isOther(piece) === true ? undefined : near;
}

function isGiven(index: unknown): boolean {
  return index !== undefined && index !== null;
}

function partsOf({ id, function: called }: Piece): { id: string; name: string; text: string } {
  const { name, arguments: text }: Piece = typeof called === 'object' && called !== null ? { ...called } : {};
  return { id: textOf(id), name: textOf(name), text: textOf(text) };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
