/** How a provider kind refuses what its upstream cannot be told: by the name of the field, so that the caller can leave it out. */
import { UpstreamFailure } from '#contract/provider';

/** `param` as the caller would write it (`messages[2].name`); `why` completes the sentence. Nothing of either reaches the log. */
export function untranslatable(param: string, why: string): UpstreamFailure {
  const body = { message: `${param}: ${why}`, type: 'invalid_request_error', code: 'untranslatable', param };
  return new UpstreamFailure('untranslatable', 'The request holds what this upstream cannot be told.', { body });
}
