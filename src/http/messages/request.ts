/**
 * A request of Anthropic's Messages API in the hub's own form, a chat request. Every field is translated, or refused by its name: a
 * caller must not believe that something was asked for which was not.
 */
import type { ChatRequest } from '#contract/chat';
import { chatMessages } from './conversation.ts';
import { given, isFields, listOf, onlyFields, textOr, unsupported } from './fields.ts';
import type { Fields } from './fields.ts';

const TRANSLATED =
  'model max_tokens system messages temperature top_p top_k stop_sequences stream tools tool_choice metadata thinking ' +
  'output_config service_tier';

/** Throws `CallerError('unsupported_field')` with the path of what a chat cannot hold. */
export function chatRequest(request: Fields): ChatRequest {
  onlyFields(request, TRANSLATED, '');
  const { model, metadata, stream, service_tier: tier } = request;
  if (tier !== undefined && tier !== null && tier !== 'auto')
    throw unsupported('service_tier', 'can only be auto here');
  if (isFields(metadata)) onlyFields(metadata, 'user_id', 'metadata.');
  return {
    model: textOr(model, ''),
    messages: chatMessages(request['system'], listOf(request['messages'])),
    ...given('max_completion_tokens', request['max_tokens']),
    ...given('temperature', request['temperature']),
    ...given('top_p', request['top_p']),
    ...given('top_k', request['top_k']),
    ...given('stop', request['stop_sequences']),
    ...tools(request),
    ...given('user', isFields(metadata) ? metadata['user_id'] : undefined),
    ...given('thinking', request['thinking']),
    ...output(request['output_config']),
    // A Messages stream always ends with its counts.
    ...(stream === true ? { stream: true, stream_options: { include_usage: true } } : {}),
  };
}

function tools({ tools: list, tool_choice: choice }: Fields): Fields {
  return {
    ...given('tools', Array.isArray(list) ? listOf(list).map((tool, at) => toolOf(tool, `tools[${at}]`)) : undefined),
    ...(isFields(choice) ? toolChoice(choice) : {}),
  };
}

function toolOf(tool: Fields, path: string): Fields {
  const { type, name, description, input_schema: parameters, strict } = tool;
  if (type !== undefined && type !== null && type !== 'custom')
    throw unsupported(
      `${path}.type`,
      `is ${JSON.stringify(type)}: tools of Anthropic's own are not supported by this hub`,
    );
  onlyFields(tool, 'type name description input_schema strict cache_control', `${path}.`);
  return {
    type: 'function',
    function: { name, ...given('description', description), parameters, ...(strict === true ? { strict } : {}) },
    ...given('cache_control', tool['cache_control']),
  };
}

const TOOL_CHOICES = new Map<unknown, string>([
  ['auto', 'auto'],
  ['any', 'required'],
  ['none', 'none'],
]);

function toolChoice(choice: Fields): Fields {
  onlyFields(choice, 'type name disable_parallel_tool_use', 'tool_choice.');
  const { type, name, disable_parallel_tool_use: single } = choice;
  const named = type === 'tool' ? { type: 'function', function: { name } } : TOOL_CHOICES.get(type);
  if (named === undefined) throw unsupported('tool_choice.type', 'must be auto, any, tool or none');
  return { tool_choice: named, ...(single === true ? { parallel_tool_calls: false } : {}) };
}

/** OpenAI wants a name for a schema; nobody reads it. */
const SCHEMA_NAME = 'answer';

function output(config: unknown): Fields {
  if (!isFields(config)) return {};
  onlyFields(config, 'effort format', 'output_config.');
  const { effort, format } = config;
  if (!isFields(format)) return given('reasoning_effort', effort);
  const { type, schema } = format;
  if (type !== 'json_schema') throw unsupported('output_config.format.type', 'must be json_schema');
  return {
    ...given('reasoning_effort', effort),
    response_format: { type: 'json_schema', json_schema: { name: SCHEMA_NAME, strict: true, schema } },
  };
}
