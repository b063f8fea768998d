import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FaceEstimate, FrameEstimate } from '../../src/domain.ts';
import { COLUMNS, createRowWriter } from '../../src/rows/index.ts';

const point = { x: 0.5, y: 0.5 };

const face: FaceEstimate = {
  trackNumber: 3,
  box: { x: 0.1, y: 0.2, width: 0.3, height: 0.4 },
  landmarks: { rightEye: point, leftEye: point, noseTip: point, mouthCentre: point, rightEar: null, leftEar: null },
  score: 0.98765432,
  affect: { valence: 0.5, arousal: -0.25 },
  smoothed: { valence: 0.4, arousal: -0.2 },
  uncertainty: 0.125,
  expressions: [0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.0078125],
};

function frame(faces: readonly FaceEstimate[]): FrameEstimate {
  return {
    streamId: 's',
    sequence: 7,
    ptsSeconds: 1.4,
    capturedAt: null,
    width: 640,
    height: 360,
    faces,
    skippedBefore: 0,
    latencyMs: 12,
  };
}

/** Reads one line of CSV back, after RFC 4180. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [[]];
  const pattern = /(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n)/y;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    rows.at(-1)!.push(match[1] === undefined ? match[2]! : match[1].replaceAll('""', '"'));
    if (match[3] === '\n') rows.push([]);
  }
  return rows.slice(0, -1);
}

describe('CSV rows', () => {
  const writer = createRowWriter('csv');

  it('begins with the columns in the order that readers rely on', () => {
    expect(writer.heading).toBe(
      'file,sequence,pts_seconds,track_id,face_score,box_x,box_y,box_width,box_height,valence,arousal,' +
        'valence_smoothed,arousal_smoothed,uncertainty,neutral,happiness,sadness,surprise,fear,disgust,anger,contempt\n',
    );
  });

  it('has a row for each face', () => {
    expect(writer.rows('a.mp4', frame([face, { ...face, trackNumber: 4 }]))).toBe(
      'a.mp4,7,1.4,3,0.987654,0.1,0.2,0.3,0.4,0.5,-0.25,0.4,-0.2,0.125,0.5,0.25,0.125,0.0625,0.03125,0.015625,0.007813,0.007813\n' +
        'a.mp4,7,1.4,4,0.987654,0.1,0.2,0.3,0.4,0.5,-0.25,0.4,-0.2,0.125,0.5,0.25,0.125,0.0625,0.03125,0.015625,0.007813,0.007813\n',
    );
  });

  it('has one row with empty values for a frame without a face', () => {
    expect(writer.rows('a.mp4', frame([]))).toBe(`a.mp4,7,1.4${','.repeat(COLUMNS.length - 3)}\n`);
  });

  it('gives every file name back, whatever characters are in it', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.oneof(fc.constantFrom('"', ',', '\n', '\r', ' ', '='), fc.string()) }),
        (name) => {
          const [row] = parseCsv(writer.rows(name, frame([face])));
          expect(row).toHaveLength(COLUMNS.length);
          expect(row![0]).toBe(/^[=+\-@\t\r]/.test(name) ? `'${name}` : name);
        },
      ),
    );
  });

  it('writes numbers without an exponent or a negative zero', () => {
    const tiny = { ...face, affect: { valence: -1e-9, arousal: 0.000001 } };
    const [row] = parseCsv(writer.rows('a', frame([tiny])));
    expect(row!.slice(9, 11)).toEqual(['0', '0.000001']);
  });
});

describe('JSON lines', () => {
  const writer = createRowWriter('jsonl');

  it('carry the same names and values as the CSV, numbers as numbers', () => {
    const row = JSON.parse(writer.rows('a.mp4', frame([face]))) as Record<string, unknown>;
    expect(Object.keys(row)).toEqual([...COLUMNS]);
    expect(row).toMatchObject({ file: 'a.mp4', sequence: 7, track_id: 3, valence: 0.5, contempt: 0.007813 });
    expect(writer.heading).toBe('');
  });

  it('say null where a frame has no face', () => {
    expect(JSON.parse(writer.rows('a.mp4', frame([])))).toMatchObject({
      pts_seconds: 1.4,
      track_id: null,
      anger: null,
    });
  });
});
