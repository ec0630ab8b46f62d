/** `schema/openapi.json`: the checked-in text of the API's description, so that a change of the API shows as a diff. */
import { openApiDocument } from './openapi.ts';
import { operations } from './routes/index.ts';

export function openApiJson(version: string): string {
  return `${JSON.stringify(openApiDocument(operations, version), null, 2)}\n`;
}
