/**
 * How a file of this room declares a provider kind. The settings schema is the one source of the settings' type, so that the
 * configuration, its documentation and the code that reads it cannot drift apart.
 */
import type { Static, TObject } from 'typebox';
import type { Provider, ProviderCapabilities, ProviderContext, ProviderKind } from '#contract/provider';

/** Declares a kind. `create` opens no connection: a provider that is configured and never called costs nothing. */
export function defineProvider<const Schema extends TObject>(kind: {
  readonly kind: string;
  readonly settings: Schema;
  readonly capabilities: ProviderCapabilities;
  create(settings: Static<Schema>, context: ProviderContext): Provider;
}): ProviderKind<Static<Schema>> {
  return kind;
}
