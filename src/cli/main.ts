/**
 * The command line: reads its words, does one thing, and ends with 0 (done), 1 (could not) or 2 (the words were wrong). What
 * people read goes to standard output in words, what machines read as JSON with `--json`; the log goes to standard error. What a command
 * does is loaded when it is asked for: most need a small part of all there is.
 */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { messageOf } from '#core/errors';
import { SCOPES } from '#contract/gateway';
import type { Scope } from '#contract/gateway';
import { ConfigError } from '#config/problem';
import { readVersion } from '#hub/version';
import { HUBS_MAX, HUBS_MIN } from '#stack/layout';
import { defaults as nginxDefaults } from '#stack/nginx/options';
import type { NginxInstance } from '#stack/nginx/options';
import type { CheckCommand } from './check.ts';
import type { DrillOptions } from './drill.ts';
import type { NginxCommand } from './nginx.ts';
import { addRunCommands } from './run-commands.ts';
import type { FolderOptions, UpOptions } from './stack.ts';
import { configOption, dataDirOption, jsonOption, pathOf } from './options.ts';
import type { CommonOptions, ServeOptions, StoreOptions } from './options.ts';

/** With `--json` what goes wrong is JSON too: one line on standard error, in the form of everything else there. */
function program(json: boolean): Command {
  const root = new Command('revoagent')
    .description('The API hub that keeps AI agents online.')
    .version(readVersion(), '-V, --version')
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError(json ? false : 'Add --help to see what there is.')
    .configureOutput(json ? { outputError: (text) => tell(text.replace(/^error: /, '').trim(), json) } : {})
    .exitOverride()
    .addHelpText(
      'after',
      `
Examples:
  revoagent                                  start with what the machine offers
  revoagent serve --config revoagent.yaml    start with a file
  revoagent config check                     every error of the file at once
  revoagent keys create --name ci --scopes chat
  revoagent runs list                        what became of the last requests

Exit codes: 0 done, 1 could not, 2 the command was wrong. With --json errors are JSON too, on standard error.`,
    );

  root
    .command('serve', { isDefault: true })
    .description('start the hub and serve until SIGTERM or SIGINT; SIGHUP reads the configuration again')
    .addOption(configOption())
    .addOption(jsonOption())
    .option('-p, --port <number>', 'port to listen on; 0 takes a free one')
    .option('--host <address>', 'address to listen on')
    .addOption(dataDirOption())
    .addHelpText(
      'after',
      '\nExamples:\n  revoagent serve --port 8080\n  revoagent serve --config revoagent.yaml --json',
    )
    .action(async (options: ServeOptions) => (await import('./serve.ts')).serve(options));

  addConfigCommands(root);
  addKeyCommands(root);
  addRunCommands(root);
  addNginxCommand(root);
  addAlertmanagerCommand(root);
  addUpCommand(root);
  addStackCommands(root);
  addDrillCommand(root);
  addCheckCommand(root);
  return root;
}

function addConfigCommands(root: Command): void {
  const config = root
    .command('config')
    .description('look at the configuration')
    .addHelpText('after', '\nExamples:\n  revoagent config check\n  revoagent config print --json');
  config
    .command('print')
    .description('print each value with where it came from; secrets are not shown')
    .addOption(configOption())
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  revoagent config print --json | jq .')
    .action(async (options: CommonOptions) => (await import('./config.ts')).printConfig(options));
  config
    .command('check')
    .description('check the configuration; print every error with its place')
    .addOption(configOption())
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  revoagent config check --config staging.yaml')
    .action(async (options: CommonOptions) => (await import('./config.ts')).checkConfig(options));
}

function addKeyCommands(root: Command): void {
  const keys = root
    .command('keys')
    .description('make, list and revoke API keys')
    .addHelpText('after', '\nExamples:\n  revoagent keys create --name ci --scopes chat\n  revoagent keys list');
  keys
    .command('create')
    .description('make a key and print it, once')
    .requiredOption('-n, --name <name>', 'whose it is')
    .addOption(
      new Option('-s, --scopes <list>', 'what it may do; separated by commas')
        .argParser(readScopes)
        .default(SCOPES, SCOPES.join(',')),
    )
    .addOption(configOption())
    .addOption(dataDirOption())
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  revoagent keys create --name agent --scopes chat')
    .action(async (options: StoreOptions & { name: string; scopes: readonly Scope[] }) =>
      (await import('./keys.ts')).createKey(options),
    );
  keys
    .command('list')
    .description('list keys, newest first')
    .addOption(configOption())
    .addOption(dataDirOption())
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  revoagent keys list --json | jq -r .[].name')
    .action(async (options: StoreOptions) => (await import('./keys.ts')).listKeys(options));
  keys
    .command('revoke')
    .description('make a key invalid')
    .argument('<id>', 'as "keys list" shows it')
    .addOption(configOption())
    .addOption(dataDirOption())
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  revoagent keys revoke key_01k0000000000000000000000000')
    .action(async (id: string, options: StoreOptions) => (await import('./keys.ts')).revokeKey(id, options));
  keys
    .command('generate')
    .description('print a new key that no hub knows yet, for REVOAGENT_ADMIN_KEY_FILE')
    .addHelpText('after', '\nExample:\n  revoagent keys generate > admin.key')
    .action(async () => (await import('./keys.ts')).generate());
}

const folderOption = (): Option =>
  new Option(
    '--folder <folder>',
    'data, logs and state (default: /var/lib/revoagent-stack as root, else .revoagent-stack)',
  ).argParser(pathOf);

function addUpCommand(root: Command): void {
  root
    .command('up')
    .description(
      'start a whole stack on this machine: PostgreSQL, Redis, hubs, NGINX, Prometheus, Alertmanager, exporters',
    )
    .addOption(configOption())
    .addOption(folderOption())
    .addOption(jsonOption())
    .option('-d, --detach', 'go on in the background once everything is ready')
    .option('--hubs <number>', `how many, ${HUBS_MIN} to ${HUBS_MAX}`, String(HUBS_MIN))
    .option(
      '-l, --listen <host:port>',
      'where the balancer listens (default: port 80 as root, else 8080, of this machine)',
    )
    .option('--admin-key-file <file>', 'a key of "revoagent keys generate" that is an admin\'s from the start', pathOf)
    .option('--port-offset <number>', 'added to every port', '0')
    .option('--tls-listen <host:port>', 'where the balancer speaks TLS')
    .option('--tls-certificate <file>', 'the chain, in PEM', pathOf)
    .option('--tls-key <file>', 'its key, in PEM', pathOf)
    .option('--no-monitoring', 'without Prometheus, Alertmanager and exporters')
    .option(
      '--receivers <file>',
      'who hears of alerts, by severity and service; docs/monitoring.md has the form',
      pathOf,
    )
    .option('--alert-webhook <url>', 'one webhook that hears of every alert')
    .addOption(
      new Option('--only <parts>', 'these and what they need, by name, separated by commas').argParser((list: string) =>
        list.split(',').map((name) => name.trim()),
      ),
    )
    .option(
      '--drills',
      'with an upstream that can be made ill and alerts that come ten times as fast, for revoagent drill',
    )
    .option('--dry-run', 'show what would be started, and what stands in the way')
    .option('--autoscale', 'follow the load, as the HorizontalPodAutoscaler of Kubernetes would')
    .option('--requests-per-minute <number>', 'of one hub, for --autoscale (default: 100)')
    .option(
      '--scale-down-window <seconds>',
      'whose largest wish counts on the way down, for --autoscale (default: 300)',
    )
    .addHelpText('after', '\nExamples:\n  revoagent up\n  revoagent up --detach --hubs 4 --config revoagent.yaml')
    .action(async (options: UpOptions) => (await import('./stack.ts')).up(options));
}

function addStackCommands(root: Command): void {
  root
    .command('status')
    .description('what runs of the stack')
    .addOption(folderOption())
    .addOption(jsonOption())
    .option('--pids <part>', 'the process of one part alone, or those of all whose names begin so')
    .addHelpText(
      'after',
      '\nExamples:\n  revoagent status --json | jq .hubs\n  kill -HUP $(revoagent status --pids hub)',
    )
    .action(async (options: FolderOptions & { pids?: string }) => (await import('./stack.ts')).stackStatus(options));
  root
    .command('logs')
    .description('the last lines that a part of the stack wrote')
    .argument('<part>', 'as "status" shows it')
    .option('-n, --lines <number>', 'how many', '50')
    .addOption(folderOption())
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  revoagent logs hub-1 --lines 200')
    .action(async (part: string, options: FolderOptions & { lines: string }) =>
      (await import('./stack.ts')).stackLogs(part, options),
    );
  root
    .command('scale')
    .description('have so many hubs; none of their requests is lost')
    .argument('<hubs>', `${HUBS_MIN} to ${HUBS_MAX}`)
    .addOption(folderOption())
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  revoagent scale 4')
    .action(async (count: string, options: FolderOptions) => (await import('./stack.ts')).stackScale(count, options));
  root
    .command('reload')
    .description('have the hubs read their configuration again, and the balancer what it follows of it; nothing is cut')
    .addOption(folderOption())
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  revoagent reload')
    .action(async (options: FolderOptions) => (await import('./stack.ts')).stackReload(options));
  root
    .command('deploy')
    .description('renew one hub after the other; all go back where one is not ready or fails its callers')
    .option('--from <folder>', 'an installation of the new version (default: this one)', pathOf)
    .option('--settle <seconds>', 'between two hubs (default: 11)')
    .addOption(folderOption())
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  revoagent deploy --from /opt/revoagent-0.2.0')
    .action(async (options: FolderOptions & { from?: string; settle?: string }) =>
      (await import('./stack.ts')).stackDeploy(options),
    );
  root
    .command('down')
    .description('end the stack; its data stays')
    .addOption(folderOption())
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  revoagent down')
    .action(async (options: FolderOptions) => (await import('./stack.ts')).stackDown(options));
}

function addCheckCommand(root: Command): void {
  root
    .command('check')
    .description(
      'prove the stack that runs, or one that is started for it: eight rows and the targets, each with its figure; kills a hub and a Redis',
    )
    .option('--seconds <number>', 'how long the normal load lasts', '15')
    .option(
      '--model <name>',
      'what chats ask for, where a stack runs; its upstream is called about 100 times a second',
      'simulator/chat',
    )
    .option('--key-file <file>', 'an admin key of the stack that runs', pathOf)
    .option('--own', 'start one, even where one runs')
    .addOption(folderOption())
    .addOption(jsonOption())
    .addHelpText('after', '\nExamples:\n  revoagent check\n  revoagent check --own --json | jq .targets')
    .action(async (options: CheckCommand) => (await import('./check.ts')).check(options));
}

function addDrillCommand(root: Command): void {
  root
    .command('drill')
    .description('provoke a fault in the stack that runs, see its alert, carry out its runbook, see the alert end')
    .argument('[alerts...]', 'by name')
    .option('--all', 'every one that can be provoked')
    .option('-v, --verbose', 'show what the commands of the runbook print')
    .addOption(folderOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExamples:\n  revoagent up --detach --drills && revoagent drill BreakerOpen\n  revoagent drill --all --json',
    )
    .action(async (alerts: string[], options: DrillOptions) => (await import('./drill.ts')).runDrills(alerts, options));
}

function addNginxCommand(root: Command): void {
  root
    .command('nginx')
    .description("print nginx's configuration for a balancer in front of these instances")
    .addOption(
      new Option('-i, --instance <name=host:port>', 'an instance; once for each')
        .argParser(readInstance)
        .makeOptionMandatory(),
    )
    .option(
      '-c, --config <file>',
      "the hubs' configuration: their bounds, deadlines and grace are followed (default: as they are without one)",
      pathOf,
    )
    .option('-l, --listen <host:port>', 'where the balancer listens', '127.0.0.1:8080')
    .option('--status-listen <host:port>', "where nginx's own figures are; keep it private", '127.0.0.1:8081')
    .option('--tls-listen <host:port>', 'where it speaks TLS; --listen then leads here')
    .option('--tls-certificate <file>', 'the chain, in PEM', pathOf)
    .option('--tls-key <file>', 'its key, in PEM', pathOf)
    .option(
      '--folder <folder>',
      "nginx's own, for logs and what does not fit into memory",
      pathOf,
      '/var/lib/revoagent-nginx',
    )
    .option('--nginx-version <version>', 'what it is for (default: what `nginx -v` says here)')
    .option(
      '--body-bytes-max <number>',
      `of a request's body: more than the hubs' server.bodyBytesMax, so that their own error is seen (default: by --config, else ${nginxDefaults.bodyBytesMax})`,
    )
    .option(
      '--requests-per-second <number>',
      'of one address; twice as many at once',
      String(nginxDefaults.requestsPerSecond),
    )
    .option('--connections-max <number>', 'of one address', String(nginxDefaults.connectionsMax))
    .option(
      '--requests-in-flight-max <number>',
      `of one instance, which call upstreams; more are turned away with 503; 0: any number (default: by --config, else ${nginxDefaults.requestsInFlightMax})`,
    )
    .addHelpText(
      'after',
      `
Examples:
  revoagent nginx -i hub-1=127.0.0.1:12001 -i hub-2=127.0.0.1:12002 -c revoagent.yaml > nginx.conf
  revoagent nginx -i a=10.0.0.1:12001 -l 0.0.0.0:80 --tls-listen 0.0.0.0:443 --tls-certificate c.pem --tls-key k.pem`,
    )
    .action(async (options: NginxCommand) => (await import('./nginx.ts')).printNginx(options));
}

function addAlertmanagerCommand(root: Command): void {
  root
    .command('alertmanager')
    .description("print Alertmanager's configuration: who hears of alerts, what is told together, what is not told")
    .requiredOption('--receivers <file>', 'who hears of alerts; docs/monitoring.md has the form', pathOf)
    .addHelpText('after', '\nExample:\n  revoagent alertmanager --receivers receivers.yaml > alertmanager.yml')
    .action(async (options: { readonly receivers: string }) =>
      (await import('./alertmanager.ts')).printAlertmanager(options),
    );
}

/** One more of a list. */
function readInstance(text: string, before: readonly NginxInstance[] | undefined): NginxInstance[] {
  const at = text.indexOf('=');
  if (at < 1)
    throw new InvalidArgumentError(`"${text}" is not of the form name=host:port, as in hub-1=127.0.0.1:12001.`);
  return [...(before ?? []), { name: text.slice(0, at), address: text.slice(at + 1) }];
}

function readScopes(list: string): Scope[] {
  return list.split(',').map((text) => {
    const scope = SCOPES.find((known) => known === text.trim());
    if (scope === undefined)
      throw new InvalidArgumentError(`"${text.trim()}" is no scope; there are: ${SCOPES.join(', ')}.`);
    return scope;
  });
}

/** A first word that is no command would otherwise be taken for an argument of the default command. */
async function refuseUnknown(root: Command, [word]: readonly string[]): Promise<void> {
  const known = [...root.commands.map((command) => command.name()), 'help'];
  if (word === undefined || word.startsWith('-') || known.includes(word)) return;
  const nearest = (await import('#config/index')).nearestOf(word, known);
  root.error(`error: unknown command '${word}'${nearest === undefined ? '' : `\n(Did you mean ${nearest}?)`}`);
}

/** Runs one command line; sets the exit code. */
export async function main(argv: readonly string[]): Promise<void> {
  const json = argv.includes('--json');
  try {
    const root = program(json);
    await refuseUnknown(root, argv);
    await root.parseAsync(argv, { from: 'user' });
  } catch (error) {
    process.exitCode = exitCodeOf(error, json);
  }
}

function exitCodeOf(error: unknown, json: boolean): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (!(error instanceof ConfigError)) tell(json ? messageOf(error) : `revoagent: ${messageOf(error)}`, json);
  else {
    const { problems, message } = error;
    const many = `The configuration has ${problems.length === 1 ? 'one problem' : `${problems.length} problems`}`;
    if (json) tell(many, json, { problems });
    else tell(`${many}:\n${message.replace(/^/gm, '  ')}`, json);
  }
  return 1;
}

function tell(error: string, json: boolean, more: Record<string, unknown> = {}): void {
  console.error(json ? JSON.stringify({ error, ...more }) : error);
}
