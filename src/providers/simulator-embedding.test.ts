/** Vectors that can be tried with no model: the same for the same text, near for texts that share words, and bounded. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UpstreamFailure } from '#contract/provider';
import { embeddingsFor } from './simulator-embedding.ts';

function vectorsOf(input: string | readonly unknown[], dimensions?: number): (readonly number[])[] {
  return embeddingsFor({ model: 'm', input, dimensions }, 'm').data.map(({ embedding }) =>
    typeof embedding === 'string' ? assert.fail('a text') : embedding,
  );
}

function likeness([one = [], other = []]: readonly (readonly number[])[]): number {
  return one.reduce((sum, value, at) => sum + value * (other[at] ?? 0), 0);
}

describe('a simulated vector', () => {
  it('is the same for the same text, and of length 1', () => {
    const vectors = vectorsOf(['The cat sat.', 'the CAT, sat', '', '!?']);
    assert.deepEqual(vectors[0], vectors[1]);
    for (const vector of vectors) {
      assert.equal(vector.length, 64);
      assert.ok(Math.abs(Math.hypot(...vector) - 1) < 1e-9);
    }
  });

  it('is nearer to that of a text that shares its words', () => {
    const near = likeness(vectorsOf(['the red house by the sea', 'a red house near the sea']));
    const far = likeness(vectorsOf(['the red house by the sea', 'quarterly revenue grew again']));
    assert.ok(near > 0.5 && near > far + 0.3, `${near} and ${far}`);
  });

  it('is as long as it was asked to be, for texts and for tokens', () => {
    assert.equal(vectorsOf('one', 7)[0]?.length, 7);
    assert.equal(vectorsOf([[1, 2], [3]]).length, 2);
    assert.deepEqual(vectorsOf([1, 2]), vectorsOf([[1, 2]]));
  });

  it('is refused by name beyond its bounds', () => {
    const param = (read: () => unknown): string | undefined => {
      try {
        read();
        return undefined;
      } catch (error) {
        return error instanceof UpstreamFailure && error.status === 400 ? error.body?.param : String(error);
      }
    };
    assert.equal(
      param(() => vectorsOf('one', 1_536)),
      undefined,
    );
    assert.equal(
      param(() => vectorsOf('one', 1_537)),
      'dimensions',
    );
    assert.equal(
      param(() => vectorsOf('one', 0.5)),
      'dimensions',
    );
    assert.equal(
      param(() => vectorsOf(Array<string>(256).fill('a'))),
      undefined,
    );
    assert.equal(
      param(() => vectorsOf(Array<string>(257).fill('a'))),
      'input',
    );
  });
});
