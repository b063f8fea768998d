/** MP4 as what it is: boxes in boxes, so that changes meet what a reader looks at, and not pixels alone. */
import { mutateBytes, type Random } from './random.ts';

interface Box {
  readonly at: number;
  readonly size: number;
}

const CONTAINERS = new Set(['moov', 'trak', 'mdia', 'minf', 'stbl', 'dinf', 'edts', 'udta']);
const TYPES = [
  'moov',
  'mdat',
  'free',
  'trak',
  'stco',
  'co64',
  'stsz',
  'stts',
  'ctts',
  'elst',
  'dref',
  'uuid',
  '\0\0\0\0',
];
const HEAD_BYTES = 8;

function boxesOf(bytes: Buffer, from = 0, to = bytes.length): readonly Box[] {
  const found: Box[] = [];
  for (let at = from; at + HEAD_BYTES <= to; ) {
    const size = bytes.readUInt32BE(at);
    if (size < HEAD_BYTES || at + size > to) break;
    found.push({ at, size });
    if (CONTAINERS.has(bytes.toString('latin1', at + 4, at + HEAD_BYTES))) {
      found.push(...boxesOf(bytes, at + HEAD_BYTES, at + size));
    }
    at += size;
  }
  return found;
}

/** One to three boxes of another size, of another type, left out, doubled, or with other contents. */
export function mutateAtoms(random: Random, original: Buffer): Buffer {
  let bytes = Buffer.from(original);
  for (let changes = 1 + random.below(3); changes > 0; changes -= 1) {
    const boxes = boxesOf(bytes);
    if (boxes.length === 0) return bytes;
    const { at, size } = random.pick(boxes);
    const [head, box, tail] = [bytes.subarray(0, at), bytes.subarray(at, at + size), bytes.subarray(at + size)];
    switch (random.below(5)) {
      case 0:
        bytes.writeUInt32BE(random.pick([0, 1, 7, 8, size - 1, size + 1, size * 2, 0x7fffffff, 0xffffffff]), at);
        break;
      case 1:
        bytes.write(random.pick(TYPES), at + 4, 'latin1');
        break;
      case 2:
        bytes = Buffer.concat([head, tail]);
        break;
      case 3:
        bytes = Buffer.concat([head, box, box, tail]);
        break;
      default:
        bytes = Buffer.concat([head, box.subarray(0, HEAD_BYTES), mutateBytes(random, box.subarray(HEAD_BYTES)), tail]);
    }
  }
  return bytes;
}
