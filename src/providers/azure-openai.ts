/**
 * Azure OpenAI, which is OpenAI's protocol at addresses of its own: the v1 API (/openai/v1, the deployment named in the body), or with
 * a dated `apiVersion` the classic one, where the deployment is a part of the path. A name that could leave that path is refused.
 * API: https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle and .../openai/reference.
 */
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { limits } from '#core/limits';
import type { Secret } from '#core/secret';
import { defineProvider } from './define-provider.ts';
import { OpenAiCompatible } from './openai-compatible.ts';
import { maxConnectionsSetting } from './settings.ts';
import { untranslatable } from '#dialects/untranslatable';
import { secretHeader } from './upstream.ts';

const azureSettings = Type.Object(
  {
    endpoint: Type.String({
      pattern: String.raw`^https?://[^\s/@?#]+(/[^\s?#]*)?$`,
      description: 'Address of the resource, without /openai.',
      examples: ['https://my-resource.openai.azure.com'],
    }),
    apiKey: Type.Optional(
      Type.String({
        minLength: 1,
        secret: true,
        description: 'A key of the resource, sent as api-key. Either this or bearerToken.',
      }),
    ),
    bearerToken: Type.Optional(
      Type.String({
        minLength: 1,
        secret: true,
        description: 'A token of Microsoft Entra ID, sent as a bearer token. Nothing renews it.',
      }),
    ),
    apiVersion: Type.Optional(
      Type.String({
        pattern: String.raw`^(preview|\d{4}-\d{2}-\d{2}(-preview)?)$`,
        description: 'A date, such as 2024-10-21, for the classic API; left out (or "preview") for the v1 API.',
        examples: ['2024-10-21'],
      }),
    ),
    deployments: Type.Array(Type.String({ minLength: 1, maxLength: limits.modelNameCharsMax }), {
      minItems: 1,
      maxItems: 1000,
      description: 'The deployments it offers as models. Azure lists models, not deployments, so it cannot be asked.',
    }),
    maxConnections: maxConnectionsSetting,
  },
  { additionalProperties: false },
);

export const azureOpenai = defineProvider({
  kind: 'azure-openai',
  settings: azureSettings,
  capabilities: {
    streaming: true,
    tools: true,
    jsonMode: true,
    jsonSchema: true,
    vision: true,
    embeddings: true,
    prefill: false,
    passesUnknownFields: true,
  },
  create: ({ endpoint, apiVersion, deployments, maxConnections, ...credentials }, context) => {
    const base = `${endpoint.replace(/\/+$/, '')}/openai`;
    const query = apiVersion === undefined ? '' : `?api-version=${apiVersion}`;
    const classic = apiVersion !== undefined && apiVersion !== 'preview';
    return new OpenAiCompatible('azure-openai', context, {
      baseUrl: `${base}${classic ? '' : '/v1'}${query}`,
      headers: requestHeaders(credentials),
      maxConnections,
      models: deployments,
      prefill: false,
      ...(classic ? { pathOf: (operation, deployment) => `/deployments/${pathSegment(deployment)}/${operation}` } : {}),
    });
  },
});

function requestHeaders({
  apiKey,
  bearerToken,
}: Pick<Static<typeof azureSettings>, 'apiKey' | 'bearerToken'>): Record<string, Secret> {
  return {
    ...(apiKey === undefined ? {} : { 'api-key': secretHeader(apiKey) }),
    ...(bearerToken === undefined ? {} : { authorization: secretHeader(bearerToken, 'Bearer ') }),
  };
}

/**
 * One segment of a path. A route that is a pattern passes on the caller's model name: "?" and "#" are encoded, and what a server might
 * still take for another path once it has decoded it (a slash, "..") is refused.
 */
function pathSegment(deployment: string): string {
  if (/[/\\]|^\.\.?$/.test(deployment) || !deployment.isWellFormed())
    throw untranslatable('model', 'is no name of a deployment of Azure');
  return encodeURIComponent(deployment);
}
