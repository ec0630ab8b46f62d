/**
 * Takes what has the shape of personal data or of a secret out of a text: e-mail addresses, API keys, IBANs and card numbers (by
 * their check digits), telephone numbers. A name or a story has no shape and stays. Its time grows with the length of the text and no
 * faster, whatever the text is: every repetition that can fail is bounded.
 */

interface Kind {
  readonly name: string;
  readonly shape: RegExp;
  /** Whether what has the shape, without spaces and dashes, really is one. */
  readonly check?: (found: string) => boolean;
}

/** Not inside a word; but the `\n` that JSON inside a text writes before it is no part of a word. */
const START = String.raw`(?<!(?<!\\)\w)`;

const KINDS: readonly Kind[] = [
  // 64 octets before the @ and 63 a label: RFC 5321, section 4.5.3.1, and RFC 1035, section 2.3.4.
  { name: 'email', shape: /[\p{L}\p{N}_.+-]{1,64}@[\p{L}\p{N}_-]{1,63}(?:\.[\p{L}\p{N}_-]{1,63}){1,8}/gu },
  {
    name: 'key',
    shape: shape(`(?:sk|pk|rk|rvk|gsk|hf|ghp|gho|github_pat|xox[abp]|AKIA|AIza)[-_]?[A-Za-z0-9_-]{16,}`),
  },
  { name: 'iban', shape: shape(`[A-Z]{2}\\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\\w)`), check: isIban },
  {
    name: 'card',
    shape: shape(
      `(?:\\d{13,19}|\\d{4}[ -]\\d{6}[ -]\\d{4,5}|\\d{4}([ -])\\d{4}\\1\\d{4}\\1\\d{1,4}(?:\\1\\d{1,3})?)(?!\\d)`,
    ),
    check: isCard,
  },
  { name: 'phone', shape: shape(`(?<!\\.)(?:\\+|00)\\d{1,3}(?:[ ./-]?\\(?\\d{1,5}\\)?){2,5}(?!\\w)`) },
];

/** The text with `[email]`, `[key]`, `[iban]`, `[card]` or `[phone]` in place of what was found. */
export function redact(text: string): string {
  return KINDS.reduce(withoutKind, text);
}

function withoutKind(text: string, { name, shape: shared, check }: Kind): string {
  if (check === undefined) return text.replace(shared, `[${name}]`);
  // Of its own, for its place: what only looks like one may begin before one that is.
  const search = new RegExp(shared);
  let [kept, from] = ['', 0];
  for (let match = search.exec(text); match !== null; match = search.exec(text)) {
    const chars = charsOf(match[0], check);
    if (chars === 0) {
      search.lastIndex = match.index + 1;
      continue;
    }
    kept += `${text.slice(from, match.index)}[${name}]`;
    from = search.lastIndex = match.index + chars;
  }
  return kept + text.slice(from);
}

function shape(source: string): RegExp {
  return new RegExp(START + source, 'g');
}

/** How much of what was found is one, in characters: what stands after it may look like its last group. */
function charsOf(found: string, check: (found: string) => boolean): number {
  for (
    let chars = found.length;
    chars > 0;
    chars = Math.max(found.lastIndexOf(' ', chars - 1), found.lastIndexOf('-', chars - 1))
  )
    if (check(found.slice(0, chars).replace(/[ -]/g, ''))) return chars;
  return 0;
}

/** The check digit of Luhn, ISO/IEC 7812-1. */
function isCard(digits: string): boolean {
  let sum = 0;
  for (let at = 0; at < digits.length; at++) {
    const digit = digits.charCodeAt(digits.length - 1 - at) - 48;
    sum += at % 2 === 0 ? digit : digit > 4 ? digit * 2 - 9 : digit * 2;
  }
  return digits.length >= 13 && sum % 10 === 0;
}

/** The remainder by 97, ISO 13616. */
function isIban(text: string): boolean {
  let remainder = 0;
  const turned = text.slice(4) + text.slice(0, 4);
  for (let at = 0; at < turned.length; at++) {
    const code = turned.charCodeAt(at);
    const value = code < 65 ? code - 48 : code - 55;
    remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97;
  }
  return text.length >= 15 && remainder === 1;
}
