/** Random choices that repeat: everything follows from one number. */

export interface Random {
  /** A whole number from 0 up to and without `below`. */
  below(below: number): number;
  chance(share: number): boolean;
  pick<T>(values: readonly T[]): T;
}

/** Choices of input `index` of a run, so that one input repeats without those before it. */
export function randomOf(seed: number, index: number): Random {
  // Splitmix32 over a state that differs in many bits from one index to the next.
  let state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(index + 1, 0xc2b2ae35);
  function next(): number {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  }
  const below = (limit: number): number => Math.floor((next() / 2 ** 32) * limit);
  return {
    below,
    chance: (share) => next() / 2 ** 32 < share,
    pick: (values) => values[below(values.length)]!,
  };
}

/** 1 up to `most`, mostly 1: what has many changes fails at the first of them. */
function fewOf(random: Random, most: number): number {
  return random.chance(0.6) ? 1 : 1 + random.below(most);
}

/** Numbers at which formats and their readers tend to break. */
const EDGES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

/** One to eight changes: bits, bytes, edge numbers, stretches left out, doubled, moved or made noise, a cut. */
export function mutateBytes(random: Random, original: Uint8Array): Buffer {
  let bytes: Buffer = Buffer.from(original);
  for (let changes = fewOf(random, 8); changes > 0; changes -= 1) bytes = changeOnce(random, bytes);
  return bytes;
}

function changeOnce(random: Random, bytes: Buffer): Buffer {
  if (bytes.length < 8) return Buffer.concat([bytes, Buffer.from([random.below(256)])]);
  // Heads decide more than what follows, and are short.
  const reach = random.chance(0.3) ? Math.min(bytes.length, 256) : bytes.length;
  const at = random.below(reach - 4);
  const length = 1 + random.below(Math.min(bytes.length - at, random.chance(0.8) ? 16 : bytes.length));
  const [head, middle, tail] = [bytes.subarray(0, at), bytes.subarray(at, at + length), bytes.subarray(at + length)];
  switch (random.below(9)) {
    case 0:
      bytes[at]! ^= 1 << random.below(8);
      return bytes;
    case 1:
      bytes[at] = random.below(256);
      return bytes;
    case 2:
      bytes.writeUInt32BE(random.pick(EDGES), at);
      return bytes;
    case 3:
      bytes.writeUInt32LE(random.pick(EDGES), at);
      return bytes;
    case 4:
      return Buffer.concat([head, tail]);
    case 5:
      return Buffer.concat([head, middle, middle, tail]);
    case 6: {
      const to = random.below(tail.length + 1);
      return Buffer.concat([head, tail.subarray(0, to), middle, tail.subarray(to)]);
    }
    case 7:
      return Buffer.concat([head, middle.map(() => random.below(256)), tail]);
    default:
      return bytes.subarray(0, at + 1);
  }
}

/** Words and signs that mean something somewhere. */
const WORDS = [
  ...['', ' ', '\0', '\n', '\r\n', '"', "'", '\\', '{', '}', '[', ']', '(', ')', ':', '@', '/', '..', '%00', '%', '#'],
  ...['null', 'true', '-1', '0', '1e999', '9007199254740993', '2147483648', 'NaN', '__proto__', 'constructor'],
  ...['\u202e', '\ud800', '\u{1f600}', 'é', '。', '\uff0e', 'ａ', '127.0.0.1', '[::1]', 'x'.repeat(300)],
];

/** One to four changes to a text in pieces: some left out, doubled, swapped, or replaced by other pieces or words. */
export function mutatePieces(random: Random, pieces: readonly string[], others: readonly string[] = []): string {
  const changed = [...pieces];
  for (let changes = fewOf(random, 4); changes > 0; changes -= 1) {
    const at = random.below(changed.length + 1);
    const piece = random.chance(0.6) && others.length > 0 ? random.pick(others) : random.pick(WORDS);
    switch (random.below(5)) {
      case 0:
        changed.splice(at, 1 + random.below(3));
        break;
      case 1:
        changed.splice(at, 0, ...changed.slice(at, at + 1 + random.below(changed.length)));
        break;
      case 2:
        changed.splice(at, 1, piece);
        break;
      case 3:
        changed.splice(at, 0, piece);
        break;
      default:
        changed.splice(at, 0, ...Array<string>(1 + random.below(40)).fill(piece));
    }
    // Doublings of doublings would only test how long a text may be.
    changed.length = Math.min(changed.length, 5000);
  }
  return changed.join('');
}

/** One to four words of a text replaced by others of their sort: a name by a name, a number by a number. */
export function mutateWords(random: Random, text: string, names: readonly string[]): string {
  const pieces = text.split(/\b/);
  const words = [...pieces.keys()].filter((index) => /^\w+$/.test(pieces[index]!));
  for (let changes = fewOf(random, 4); changes > 0; changes -= 1) {
    const at = random.pick(words);
    pieces[at] = /^\d+$/.test(pieces[at]!) ? String(random.pick(EDGES)) : random.pick(names);
  }
  return pieces.join('');
}

const ODD_VALUES: readonly unknown[] = [
  ...[
    null,
    true,
    0,
    -1,
    1e308,
    '',
    'x',
    '\0',
    '\u202e',
    '__proto__',
    'constructor',
    [],
    {},
    [[[[]]]],
    { a: { b: {} } },
  ],
  ...[Array(500).fill(0), 'y'.repeat(5000)],
];

/** A value of JSON with a part of it replaced, left out, or put where none was. */
export function mutateJson(random: Random, original: unknown): unknown {
  const value = structuredClone(original);
  let place = value as Record<string, unknown>;
  while (typeof place === 'object' && place !== null && Object.keys(place).length > 0) {
    const key = random.pick(Object.keys(place));
    const inner = place[key];
    if (typeof inner === 'object' && inner !== null && random.chance(0.6)) {
      place = inner as Record<string, unknown>;
      continue;
    }
    const kind = random.below(4);
    if (kind === 0) delete place[key];
    else if (kind === 1) place[random.pick(['id', 'type', 'payload', 'query', 'extensions', 'z'])] = inner;
    else place[key] = random.pick(ODD_VALUES);
    return value;
  }
  return random.pick(ODD_VALUES);
}
