/**
 * Images, sound and files of a message as parts of Gemini's. What the caller holds goes inline; what is on the web is named, and
 * Google fetches it. The hub itself fetches nothing.
 */
import { isRecord } from '#dialects/json';
import { untranslatable } from '#dialects/untranslatable';
import type { GeminiPart } from './wire.ts';

/** `param` names the part. Undefined for a type that is none of these. */
export function mediaPart(part: Record<string, unknown>, param: string): GeminiPart | undefined {
  switch (part['type']) {
    case 'image_url':
      return imagePart(part['image_url'], `${param}.image_url`);
    case 'input_audio':
      return audioPart(part['input_audio'], `${param}.input_audio`);
    case 'file':
      return filePart(part['file'], `${param}.file`);
    default:
      return undefined;
  }
}

function imagePart(image: unknown, param: string): GeminiPart {
  const url = isRecord(image) ? image['url'] : image;
  if (typeof url !== 'string') throw untranslatable(param, 'it has no `url`.');
  if (url.startsWith('data:')) return dataPart(url, `${param}.url`);
  if (!/^https:\/\//i.test(url))
    throw untranslatable(`${param}.url`, 'Gemini takes images as data: or https: addresses only.');
  const mimeType = imageTypeOf(url);
  return { fileData: { ...(mimeType === undefined ? {} : { mimeType }), fileUri: url } };
}

const IMAGE_TYPES: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  heic: 'image/heic',
  heif: 'image/heif',
};

/** By the ending of the path; an address without one leaves it to Google. */
function imageTypeOf(url: string): string | undefined {
  const path = URL.parse(url)?.pathname ?? '';
  const ending = /\.([a-z]{3,4})$/i.exec(path)?.[1]?.toLowerCase();
  return ending !== undefined && Object.hasOwn(IMAGE_TYPES, ending) ? IMAGE_TYPES[ending] : undefined;
}

const AUDIO_FORMATS: readonly (readonly [format: string, mimeType: string])[] = [
  ['wav', 'audio/wav'],
  ['mp3', 'audio/mp3'],
];

function audioPart(audio: unknown, param: string): GeminiPart {
  const { data, format } = isRecord(audio) ? audio : {};
  const mimeType = AUDIO_FORMATS.find(([each]) => each === format)?.[1];
  if (mimeType === undefined) throw untranslatable(`${param}.format`, 'Gemini is told of "wav" and "mp3" only.');
  if (typeof data !== 'string') throw untranslatable(`${param}.data`, 'it is no text in base64.');
  return { inlineData: { mimeType, data } };
}

function filePart(file: unknown, param: string): GeminiPart {
  const data = isRecord(file) ? file['file_data'] : undefined;
  if (typeof data !== 'string')
    throw untranslatable(param, 'Gemini knows no file of another provider; give its content as `file_data`.');
  return dataPart(data, `${param}.file_data`);
}

/** A header is short; what follows it may be megabytes and is not searched. */
const HEADER_CHARS_MAX = 300;

function dataPart(url: string, param: string): GeminiPart {
  const header = /^data:([\w.+-]+\/[\w.+-]+)((?:;[\w.+-]+=[\w.+-]*)*);base64,/i.exec(url.slice(0, HEADER_CHARS_MAX));
  const mimeType = header?.[1];
  if (header === null || mimeType === undefined)
    throw untranslatable(param, 'it is no data: address with a type and base64.');
  return { inlineData: { mimeType, data: url.slice(header[0].length) } };
}
