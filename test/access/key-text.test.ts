import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hashSecret, makeKey } from '../../src/access/index.ts';
import { hasHash, parseKey } from '../../src/access/key-text.ts';

describe('a key as text', () => {
  test('is read back as what was made, and known by its hash alone', () => {
    const { id, secret, text } = makeKey();
    expect(parseKey(text)).toEqual({ id, secret });
    const hash = hashSecret(secret);
    expect(hash).not.toContain(secret);
    expect([hasHash(secret, hash), hasHash(makeKey().secret, hash), hasHash(secret, '')]).toEqual([true, false, false]);
  });

  test('holds 256 bits that are never the same', () => {
    const secrets = new Set(Array.from({ length: 200 }, () => makeKey().secret));
    expect(secrets.size).toBe(200);
    for (const secret of secrets) expect(Buffer.from(secret, 'hex')).toHaveLength(32);
  });

  const { text } = makeKey();
  test.each([
    ['nothing', ''],
    ['a prefix alone', 'cpx_'],
    ['another prefix', text.replace('cpx', 'sk')],
    ['capitals', text.toUpperCase()],
    ['one digit less', text.slice(0, -1)],
    ['one digit more', `${text}0`],
    ['a space before', ` ${text}`],
    ['a line break after', `${text}\n`],
    ['two of them', `${text}${text}`],
    ['a digit of another alphabet', text.replace(/.$/, '٣')],
    ['no secret', text.slice(0, 17)],
  ])('is not %s', (_, wrong) => {
    expect(parseKey(wrong)).toBeNull();
  });

  test('is nothing that is made up', () => {
    fc.assert(fc.property(fc.string(), (made) => parseKey(made) === null));
    fc.assert(
      fc.property(fc.stringMatching(/^cpx_[0-9a-f]{12}_[0-9a-f]{64}$/), (made) => {
        const parts = parseKey(made);
        return parts !== null && `cpx_${parts.id}_${parts.secret}` === made;
      }),
    );
  });
});
