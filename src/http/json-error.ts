/**
 * Where a text stops being JSON. The runtime's parser says it only sometimes, and in words that quote the text; this one gives
 * the offset alone. Used for text that `JSON.parse` has refused; iterative, so that nesting costs no stack.
 */

/** The offset of the first character that cannot continue a JSON text; the length where the text ends too early. */
export function jsonErrorOffset(text: string): number {
  const open: string[] = [];
  let at = skipSpace(text, 0);
  for (;;) {
    // A value is due at `at`.
    const first = text[at];
    if (first === '{' || first === '[') {
      open.push(first);
      at = skipSpace(text, at + 1);
      if (text[at] !== (first === '{' ? '}' : ']')) {
        if (first === '[') continue;
        const name = skipName(text, at);
        if (name.failed) return name.at;
        at = name.at;
        continue;
      }
    } else {
      const value = first === '"' ? skipString(text, at) : skipLiteral(text, at);
      if (value.failed) return value.at;
      at = value.at - 1;
    }
    // `at` is on the last character of a value: close what it ends, then find the next one.
    let next = afterValue(text, at, open);
    while (next.closed) next = afterValue(text, next.at, open);
    if (next.failed) return next.at;
    at = next.at;
  }
}

interface Step {
  readonly failed: boolean;
  readonly at: number;
}

function afterValue(text: string, last: number, open: string[]): Step & { closed: boolean } {
  let at = skipSpace(text, last + 1);
  const inside = open.at(-1);
  const closing = inside === '{' ? '}' : ']';
  if (inside !== undefined && text[at] === closing) {
    open.pop();
    return { closed: true, failed: false, at };
  }
  if (inside === undefined || text[at] !== ',') return { closed: false, failed: true, at };
  at = skipSpace(text, at + 1);
  return { closed: false, ...(inside === '{' ? skipName(text, at) : { failed: false, at }) };
}

function skipName(text: string, at: number): Step {
  if (text[at] !== '"') return { failed: true, at };
  const name = skipString(text, at);
  if (name.failed) return name;
  const colon = skipSpace(text, name.at);
  return text[colon] === ':' ? { failed: false, at: skipSpace(text, colon + 1) } : { failed: true, at: colon };
}

/** From a quote to after the closing one. */
function skipString(text: string, from: number): Step {
  let at = from + 1;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) return { failed: false, at: at + 1 };
    if (code < 0x20) break;
    if (code !== 0x5c) continue;
    const escape = /(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
    escape.lastIndex = at + 1;
    if (!escape.test(text)) break;
    at = escape.lastIndex - 1;
  }
  return { failed: true, at };
}

function skipLiteral(text: string, from: number): Step {
  const whole = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
  whole.lastIndex = from;
  return whole.test(text) ? { failed: false, at: whole.lastIndex } : { failed: true, at: from };
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && ' \t\n\r'.includes(text.charAt(at))) at++;
  return at;
}
