/** `alertmanager`: prints Alertmanager's configuration for those who are to hear of alerts. */
import { environmentWith, loadReceivers } from '#config/index';
import { alertmanagerConfig } from '#stack/index';

/** Throws with everything that is wrong in the file. */
export function printAlertmanager({ receivers }: { readonly receivers: string }): void {
  process.stdout.write(alertmanagerConfig(loadReceivers(receivers, environmentWith({}))));
}
