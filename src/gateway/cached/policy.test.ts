/** Names of answers: the same for a request that comes again and again, and another wherever the answer may be another. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ChatRequest } from '#contract/chat';
import type { CallPreferences } from '#contract/gateway';
import { Names } from './policy.ts';

type Call = Parameters<Names['nameOf']>[1];
type Route = Parameters<Names['nameOf']>[2];

const asking = (): ChatRequest => ({ model: 'm', messages: [{ role: 'user', content: 'What?' }] });

const routeOf = (name: string, guardrail?: Route['settings']['guardrail']): Route => ({
  name,
  settings: { groups: [], ...(guardrail !== undefined && { guardrail }) },
  groups: [],
});
const ROUTE = routeOf('m');
const GUARDED = routeOf('m', { module: 'guard.js', onFailure: 'closed', timeoutMs: 100 });

function callOf(request: ChatRequest, projectId = 'prj_1', keyId = 'key_1', preferences: CallPreferences = {}): Call {
  return { caller: { keyId, projectId, scopes: new Set(['chat']) }, request, preferences };
}

describe('the name of an answer', () => {
  it('of a request that is shared is the one it would have alone, whoever asked before', () => {
    const names = new Names();
    const shared = Object.freeze(asking());
    const ways: ((request: ChatRequest) => readonly [Call, Route])[] = [
      (request) => [callOf(request), ROUTE],
      (request) => [callOf(request), routeOf('other')],
      (request) => [callOf(request, 'prj_2'), ROUTE],
      (request) => [callOf(request, 'prj_1', 'key_1', { fallback: false }), ROUTE],
      (request) => [callOf(request), GUARDED],
      (request) => [callOf(request, 'prj_1', 'key_2'), GUARDED],
    ];
    const seen = new Set<string>();
    for (const way of [...ways, ...ways.toReversed()]) {
      const name = names.nameOf('chat', ...way(shared));
      assert.equal(names.nameOf('chat', ...way(shared)), name);
      assert.equal(new Names().nameOf('chat', ...way(asking())), name);
      seen.add(name);
    }
    assert.equal(seen.size, ways.length);
  });

  it('follows a request that somebody may still change', () => {
    const names = new Names();
    const request = { ...asking(), temperature: 0 };
    const cold = names.nameOf('chat', callOf(request), ROUTE);
    request.temperature = 1;
    assert.notEqual(names.nameOf('chat', callOf(request), ROUTE), cold);
  });
});
