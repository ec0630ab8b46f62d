import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  CacheKeyError,
  checkKey,
  checkNamespace,
  checkPrefix,
  checkTags,
  KEY_BYTES_MAX,
  prefixOf,
  storedKey,
} from './key.ts';

it('a key of up to 512 bytes is stored as it is', () => {
  for (const key of ['a', 'users:7', 'é'.repeat(256), 'x'.repeat(512)]) assert.equal(storedKey(key), key);
});

it('a longer key is stored under a hash behind its prefix, and two of them differ', () => {
  const one = storedKey(`users:${'x'.repeat(600)}1`);
  const other = storedKey(`users:${'x'.repeat(600)}2`);
  assert.match(one, /^users:#[\w-]{43}$/);
  assert.notEqual(one, other);
  assert.ok(Buffer.byteLength(storedKey('é'.repeat(300))) <= KEY_BYTES_MAX);
});

it('the prefix of a key is what deletePrefix takes', () => {
  assert.equal(prefixOf('users:7:name'), 'users:');
  assert.equal(prefixOf('users'), '');
  assert.equal(checkPrefix('users:'), 'users:');
  for (const wrong of ['', ':', 'users', 'users:7:', `${'x'.repeat(70)}:`]) {
    assert.throws(() => checkPrefix(wrong), CacheKeyError);
  }
});

it('an empty key and a namespace that could be read as another are refused', () => {
  assert.throws(() => storedKey(''), CacheKeyError);
  assert.equal(checkNamespace('hub.models-2'), 'hub.models-2');
  for (const wrong of ['', 'a:b', 'A', '{a}', '-a', 'x'.repeat(65)])
    assert.throws(() => checkNamespace(wrong), CacheKeyError);
});

it('text that not every tier keeps, or tells from other text, names nothing', () => {
  for (const wrong of ['a\0b', '\ud800', 'a\udfff', `${'x'.repeat(600)}\ud800`]) {
    assert.throws(() => checkKey(storedKey(wrong)), CacheKeyError);
    assert.throws(() => checkPrefix(`${wrong.slice(-3)}:`), CacheKeyError);
    assert.throws(() => checkTags(['fine', wrong]), CacheKeyError);
  }
  assert.equal(checkKey(storedKey('😀\ufffd\u0001')), '😀\ufffd\u0001');
});

it('tags are taken once each, and refused where they are none', () => {
  assert.deepEqual(checkTags(['a', 'b', 'a']), ['a', 'b']);
  assert.deepEqual(checkTags(undefined), []);
  for (const wrong of ['', 'x'.repeat(513)]) assert.throws(() => checkTags([wrong]), CacheKeyError);
});
