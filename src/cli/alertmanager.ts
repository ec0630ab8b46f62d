/** `alertmanager`: prints Alertmanager's configuration for those who are to hear of alerts. */
import type { Command } from 'commander';
import { environmentWith, loadReceivers } from '#config/index';
import { alertmanagerConfig } from '#stack/index';

export function addAlertmanagerCommand(root: Command): void {
  root
    .command('alertmanager')
    .description("print Alertmanager's configuration: who hears of alerts, what is told together, what is not told")
    .requiredOption('--receivers <file>', 'who hears of alerts; docs/monitoring.md has the form')
    .addHelpText('after', '\nExample:\n  revoagent alertmanager --receivers receivers.yaml > alertmanager.yml')
    .action((options: { readonly receivers: string }) => printAlertmanager(options));
}

/** Throws with everything that is wrong in the file. */
function printAlertmanager({ receivers }: { readonly receivers: string }): void {
  process.stdout.write(alertmanagerConfig(loadReceivers(receivers, environmentWith({}))));
}
