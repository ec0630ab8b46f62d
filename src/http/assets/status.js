/**
 * The status page: fetches four resources of this hub every few seconds while it is looked at, and shows them. Takes nothing
 * from elsewhere. A key, where the hub asks for one, is kept in this tab's session storage only. Text is set as text, never as
 * markup.
 */

const REFRESH_MS = 3000;
/** A hub that hangs is one that does not answer. */
const ANSWER_MS = 5000;
/** A table that is drawn anew every few seconds shows no more. */
const ROWS_MAX = 200;
const KEY = 'revoagent-key';
const TONES = {
  closed: 'good',
  healthy: 'good',
  half_open: 'warn',
  degraded: 'warn',
  disabled: 'warn',
  open: 'bad',
  forced_open: 'bad',
  unhealthy: 'bad',
};
const WORDS = { half_open: 'half open', forced_open: 'forced open', disabled: 'forced closed' };

const EMPTY = {
  breakers: 'No outbound call was made yet: breakers appear with the first one.',
  deployments: 'No route has a deployment yet. Configure a provider, then reload.',
};

const at = (id) => document.getElementById(id);
let models = '';
let timer;
let isShown = false;

class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

async function get(path, statuses = []) {
  const key = sessionStorage.getItem(KEY);
  const response = await fetch(path, {
    headers: key === null ? {} : { authorization: `Bearer ${key}` },
    cache: 'no-store',
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  const body = await response.json();
  if (response.ok || statuses.includes(response.status)) return body;
  throw new Refused(response.status, body.detail ?? `${path} answered ${response.status}`);
}

async function refresh() {
  clearTimeout(timer);
  try {
    const health = await get('/health', [503]);
    showStatus(health);
    // Who sees no checks would be refused the rest.
    if (health.checks === undefined && sessionStorage.getItem(KEY) === null) return askForKey(true);
    // By itself: questions beside it would count as requests in flight.
    const performance = await get('/api/performance');
    const [breakers, offer] = await Promise.all([get('/api/circuit-breakers'), get('/api/models')]);
    askForKey(false);
    showFacts(health, performance);
    showWhose(health, performance);
    showCards(performance);
    showBreakers(breakers.data);
    showChecks(health.checks);
    showDeployments(offer.deployments);
    showModels(offer.models);
    at('figures').classList.remove('waiting');
    isShown = true;
    at('updated').textContent = `Updated ${new Date().toLocaleTimeString()}.`;
  } catch (error) {
    if (error instanceof Refused && (error.status === 401 || error.status === 403)) {
      askForKey(true, sessionStorage.getItem(KEY) === null ? '' : error.message);
      return;
    }
    at('figures').classList.add('waiting');
    const old = isShown ? ' These figures are old.' : '';
    notice(
      error instanceof Refused
        ? `The figures cannot be shown: ${error.message}${old}`
        : `The hub does not answer; trying again.${old}`,
    );
    if (!(error instanceof Refused)) setStatus('bad', 'No answer');
  }
  if (!document.hidden) timer = setTimeout(refresh, REFRESH_MS);
}

/** Only a change is set: what is set is read out. */
function notice(text) {
  at('notice').hidden = text === '';
  if (at('notice').textContent !== text) at('notice').textContent = text;
}

function askForKey(asked, reason = '') {
  notice('');
  at('key-panel').hidden = !asked;
  at('figures').hidden = asked;
  at('forget-key').hidden = asked || sessionStorage.getItem(KEY) === null;
  at('key-error').textContent = reason;
  if (asked) at('key').focus();
}

function setStatus(tone, text) {
  at('status').className = `pill ${tone}`;
  if (at('status-text').textContent !== text) at('status-text').textContent = text;
}

function showStatus({ status }) {
  setStatus(TONES[status] ?? 'warn', status[0].toUpperCase() + status.slice(1));
}

function showFacts(health, performance) {
  at('facts').textContent = [
    health.version && `v${health.version}`,
    performance.instance,
    `up ${duration(performance.uptimeSeconds * 1000)}`,
  ]
    .filter(Boolean)
    .join(' · ');
}

/** Behind a balancer each resource may be another instance's. */
function showWhose(health, performance) {
  if (health.instance !== performance.instance)
    at('whose').textContent =
      'Figures are of several instances by turns, as the balancer has it: open the page at the address of one.';
}

function showCards({ window: last, totals, inFlight, eventLoop, memory }) {
  const percent = last.errorRate * 100;
  const latency = (times) =>
    times === null
      ? ['–', '', 'no requests']
      : [...milliseconds(times.p95Ms), `median ${milliseconds(times.p50Ms).join(' ')}`];
  const cards = [
    ['Requests', number(last.requestsPerSecond), '/s', `${number(totals.requests)} in all`],
    ['Errors', number(percent), '%', `${number(totals.errors)} in all`, percent >= 1],
    ['Hub time, p95', ...latency(last.hubTime)],
    ['Answer, p95', ...latency(last.totalTime)],
    // Without the question that it answers.
    ['In flight', number(inFlight - 1), '', `${number(totals.attempts)} attempts in all`],
    [
      'Loop delay, p99',
      ...milliseconds(eventLoop.delayP99Ms),
      `${number(eventLoop.utilisation * 100)} % busy`,
      eventLoop.delayP99Ms >= 100,
    ],
    [
      'Memory',
      ...bytes(memory.rssBytes),
      `heap ${bytes(memory.heapUsedBytes).join(' ')} of ${bytes(memory.heapLimitBytes).join(' ')}`,
    ],
  ];
  at('cards').replaceChildren(
    ...cards.map(([name, value, unit, more, bad]) =>
      element('div', { class: bad ? 'card bad' : 'card' }, [
        element('dt', {}, name),
        element('dd', { class: 'value' }, [value, element('span', { class: 'unit' }, unit)]),
        element('dd', { class: 'more' }, more),
      ]),
    ),
  );
}

/** What needs a look comes first. */
function order(state) {
  return state === 'closed' ? 1 : 0;
}

function showBreakers(breakers) {
  at('breakers-count').textContent =
    breakers.length === 0
      ? ''
      : `${breakers.filter(({ state }) => state === 'closed').length} of ${breakers.length} closed`;
  const sorted = breakers.toSorted(
    (one, other) => order(one.state) - order(other.state) || one.key.localeCompare(other.key),
  );
  showRows('breakers', sorted, '/api/circuit-breakers', (breaker) => [
    element('td', { class: 'name' }, [...parts(breaker.key), ...note(breaker)]),
    element('td', {}, [chip(breaker.state)]),
    element('td', { class: 'num' }, `${breaker.failuresInWindow} / ${breaker.callsInWindow}`),
    element('td', { class: 'num' }, number(breaker.trips)),
  ]);
}

function note({ forced, retryAfterMs }) {
  if (forced !== null) return [element('span', { class: 'under' }, `by ${forced.by}: ${forced.reason}`)];
  if (retryAfterMs !== null) return [element('span', { class: 'under' }, `next probe in ${duration(retryAfterMs)}`)];
  return [];
}

function showChecks(checks) {
  const well = checks.filter(({ status }) => status === 'healthy').length;
  at('checks-count').textContent = `${well} of ${checks.length} healthy`;
  at('checks').replaceChildren(
    ...checks.map((check) =>
      element('li', {}, [
        element('span', {}, check.name),
        chip(check.status),
        element('span', { class: 'detail' }, check.detail),
      ]),
    ),
  );
}

function showDeployments(deployments) {
  at('deployments-count').textContent = deployments.length === 0 ? '' : String(deployments.length);
  const sorted = deployments.toSorted((one, other) => order(one.breaker) - order(other.breaker));
  showRows('deployments', sorted, '/api/models', (deployment) => [
    element('td', { class: 'name' }, [
      ...parts(deployment.provider),
      element('span', { class: 'under' }, deployment.kind),
    ]),
    element('td', { class: 'name' }, parts(deployment.model)),
    element('td', {}, [chip(deployment.breaker)]),
    element('td', {}, moment(deployment.lastSuccessAt)),
    element('td', {}, [
      moment(deployment.lastFailureAt),
      ...(deployment.lastFailure === null ? [] : [element('span', { class: 'under' }, deployment.lastFailure)]),
    ]),
  ]);
}

/** Those that there is room for; `resource` has all. */
function showRows(name, all, resource, cells) {
  const rows = all.slice(0, ROWS_MAX).map((one) => element('tr', {}, cells(one)));
  const more = all.length - rows.length;
  if (more > 0) rows.push(wideRow(name, `${number(more)} more: GET ${resource}`));
  if (all.length === 0) rows.push(wideRow(name, EMPTY[name]));
  at(name).replaceChildren(...rows);
}

function showModels(list) {
  const ids = list.slice(0, 500).map(({ id }) => id);
  if (ids.join('\n') === models) return;
  models = ids.join('\n');
  const chosen = at('model').value;
  at('model').replaceChildren(...ids.map((id) => element('option', { value: id }, id)));
  if (ids.includes(chosen)) at('model').value = chosen;
  showCurl();
}

function showCurl() {
  const key = sessionStorage.getItem(KEY) === null ? '' : `  -H "authorization: Bearer $REVOAGENT_KEY" \\\n`;
  const body = JSON.stringify({
    model: at('model').value || 'your-model',
    messages: [{ role: 'user', content: 'Say hello.' }],
  });
  at('base-url').textContent = `${location.origin}/v1`;
  at('curl').textContent =
    `curl ${location.origin}/v1/chat/completions \\\n${key}  -H "content-type: application/json" \\\n  -d '${body.replaceAll("'", String.raw`'\''`)}'`;
}

async function copy() {
  try {
    await navigator.clipboard.writeText(at('curl').textContent);
    at('copy').textContent = 'Copied';
  } catch {
    // Where the browser does not let a page write to the clipboard, its person can.
    getSelection().selectAllChildren(at('curl'));
    at('copy').textContent = 'Selected';
  }
  setTimeout(() => (at('copy').textContent = 'Copy'), 1500);
}

function chip(state) {
  return element('span', { class: `chip ${TONES[state] ?? ''}` }, [
    element('span', { class: 'dot', 'aria-hidden': 'true' }),
    WORDS[state] ?? state,
  ]);
}

/** A long name is broken behind a colon or a slash first. */
function parts(name) {
  return name.split(/(?<=[:/])/).flatMap((part, index) => (index === 0 ? [part] : [element('wbr', {}), part]));
}

function wideRow(name, text) {
  const columns = at(name).closest('table').tHead.rows[0].cells.length;
  return element('tr', {}, [element('td', { class: 'empty', colspan: columns }, text)]);
}

function element(name, attributes, content = []) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...(Array.isArray(content) ? content : [content]));
  return made;
}

function number(value) {
  return value.toLocaleString(undefined, { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 });
}

function milliseconds(value) {
  return value < 1000 ? [number(value), 'ms'] : [number(value / 1000), 's'];
}

function bytes(value) {
  return value < 1e9 ? [number(value / 1e6), 'MB'] : [number(value / 1e9), 'GB'];
}

function duration(ms) {
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

function moment(iso) {
  return iso === null ? '–' : new Date(iso).toLocaleString(undefined, { dateStyle: 'short', timeStyle: 'medium' });
}

at('key-form').addEventListener('submit', (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, at('key').value.trim());
  at('key').value = '';
  models = '';
  void refresh();
});
at('forget-key').addEventListener('click', () => {
  sessionStorage.removeItem(KEY);
  models = '';
  void refresh();
});
at('model').addEventListener('change', showCurl);
at('copy').addEventListener('click', () => void copy());
document.addEventListener('visibilitychange', () => void (document.hidden ? clearTimeout(timer) : refresh()));

showCurl();
void refresh();
