/** The same three tool calls in the ways in which upstreams stream them: numbered, numbered alike, not at all; in pieces, whole and by turns. */

type Piece = Readonly<Record<string, unknown>>;

/** Two of one name; texts that look like JSON inside JSON, and white space before it that is a piece of its own. */
const CALLS = [
  { id: 'a', name: 'one', arguments: '\n  {"x":1}' },
  { id: 'b', name: 'two', arguments: String.raw`{"y":"a}\"b{\\"}` },
  { id: 'c', name: 'two', arguments: '{"z":[{}]}' },
] as const;

export const CALLED: readonly { readonly name: string; readonly arguments: string }[] = CALLS.map(
  ({ name, arguments: text }) => ({ name, arguments: text }),
);

interface Way {
  readonly index: 'each' | 'zero' | 'none';
  /** `anew`: each piece has another. */
  readonly ids: 'first' | 'every' | 'anew' | 'none';
  /** `parts`: a character, then the others. */
  readonly names: 'first' | 'every' | 'parts';
  readonly whole?: boolean;
  /** What further pieces say in place of an id. */
  readonly further?: string;
}

const WAYS: Readonly<Record<string, Way>> = {
  numbered: { index: 'each', ids: 'first', names: 'first' },
  'numbered, with its name in parts': { index: 'each', ids: 'first', names: 'parts' },
  'numbered, with another id in each piece': { index: 'each', ids: 'anew', names: 'first' },
  'all numbered 0, with another id in each piece': { index: 'zero', ids: 'anew', names: 'first' },
  'numbered, with its name in each piece and no id': { index: 'each', ids: 'none', names: 'every' },
  'whole, all numbered 0': { index: 'zero', ids: 'first', names: 'first', whole: true },
  'whole, all numbered 0, without an id': { index: 'zero', ids: 'none', names: 'first', whole: true },
  'whole, without a number': { index: 'none', ids: 'first', names: 'first', whole: true },
  'whole, without a number or an id': { index: 'none', ids: 'none', names: 'first', whole: true },
  'all numbered 0': { index: 'zero', ids: 'first', names: 'first' },
  'all numbered 0, with an empty id in further pieces': { index: 'zero', ids: 'first', names: 'first', further: '' },
  'all numbered 0, with id and name in each piece': { index: 'zero', ids: 'every', names: 'every' },
  'all numbered 0, with its name in each piece and no id': { index: 'zero', ids: 'none', names: 'every' },
  'all numbered 0, without an id': { index: 'zero', ids: 'none', names: 'first' },
  'without a number': { index: 'none', ids: 'first', names: 'first' },
  'without a number, with id and name in each piece': { index: 'none', ids: 'every', names: 'every' },
  'without a number or an id': { index: 'none', ids: 'none', names: 'first' },
};

/** By the way's name, the `tool_calls` of each chunk. */
export const STREAMED_CALLS: Readonly<Record<string, readonly (readonly Piece[])[]>> = {
  ...Object.fromEntries(
    Object.entries(WAYS).map(([name, way]) => [name, CALLS.flatMap((call, place) => chunksOf(way, call, place))]),
  ),
  'numbered, by turns': byTurns({ index: 'each', ids: 'first', names: 'first' }),
};

/** A piece of each, then the next of each. */
function byTurns(way: Way): Piece[][] {
  const chunks = CALLS.map((call, place) => chunksOf(way, call, place));
  const turns = Math.max(...chunks.map(({ length }) => length));
  return Array.from({ length: turns }, (_, turn) => chunks.flatMap((of) => of[turn] ?? []));
}

function chunksOf(
  { index, ids, names, whole = false, further }: Way,
  call: (typeof CALLS)[number],
  place: number,
): Piece[][] {
  const text = call.arguments;
  const parts = [text.slice(0, 3), text.slice(3, 9), text.slice(9)].filter((part) => part !== '');
  // As servers do: the call is begun without arguments where it has an id, and its name said once more at the end where it is all along.
  if (ids !== 'none') parts.unshift('');
  if (names === 'every') parts.push('');
  if (names === 'parts') parts.unshift('');
  const namesAt = names === 'parts' ? [call.name.slice(0, 1), call.name.slice(1)] : [call.name];
  const texts = whole ? [text] : parts;
  return texts.map((part, at) => {
    const saysId = ids === 'every' || ids === 'anew' || (ids === 'first' && at === 0);
    const name = names === 'every' ? call.name : namesAt[at];
    const id = ids === 'anew' && at > 0 ? `${call.id}${at}` : call.id;
    return [
      {
        ...(index !== 'none' && { index: index === 'each' ? place : 0 }),
        ...(saysId ? { id, type: 'function' } : further !== undefined && { id: further }),
        function: { ...(name !== undefined && { name }), arguments: part },
      },
    ];
  });
}
