import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LiveReport } from '../../src/ingest/live-report.ts';
import { withoutAddresses } from '../../src/ingest/live-source.ts';

function reportOf(...lines: string[]): LiveReport {
  const report = new LiveReport({ mindsTimes: true });
  for (const line of lines) report.line(line);
  return report;
}

const scaled = (from: string, aspect: string, to: string): string => {
  const [width, height] = from.split('x');
  const [outWidth, outHeight] = to.split('x');
  return `[Parsed_scale_2 @ 0x55807b2c3e00] [verbose] w:${width} h:${height} fmt:yuv420p sar:${aspect} -> w:${outWidth} h:${outHeight} fmt:rgb24 sar:1/1 flags:0x20`;
};

describe('the report of a live source', () => {
  test('has the size of the first picture for the frames, and of the last one for the source', () => {
    const report = reportOf(scaled('640x360', '1/1', '480x270'), scaled('1920x1080', '1/1', '480x270'));
    expect(report.frameSize).toEqual({ width: 480, height: 270 });
    expect(report.sourceSize).toEqual({ width: 1920, height: 1080 });
  });

  test('is read from ffmpeg 7 too, which tells the colours', () => {
    const from = 'w:640 h:360 fmt:yuv420p csp:bt709 range:tv sar:1/1';
    const to = 'w:480 h:270 fmt:rgb24 csp:gbr range:pc sar:1/1 flags:0x00000020';
    const report = reportOf(`[Parsed_scale_1 @ 0x5581] [verbose] ${from} -> ${to}`);
    expect([report.sourceSize, report.frameSize]).toEqual([
      { width: 640, height: 360 },
      { width: 480, height: 270 },
    ]);
  });

  test('counts wide pixels as several, and believes no impossible shape', () => {
    expect(reportOf(scaled('720x576', '64/45', '1024x576')).sourceSize).toEqual({ width: 1024, height: 576 });
    expect(reportOf(scaled('720x576', '0/1', '720x576')).sourceSize).toEqual({ width: 720, height: 576 });
    expect(reportOf(scaled('720x576', '1/0', '720x576')).sourceSize).toEqual({ width: 720, height: 576 });
    expect(reportOf(scaled('720x576', '100/1', '720x576')).sourceSize).toEqual({ width: 720, height: 576 });
  });

  test.each([
    ['[info]   Duration: 00:00:06.00, start: 0.000000, bitrate: 1865 kb/s', true],
    ['[info]   Duration: N/A, start: 1.560000, bitrate: N/A', false],
    // RTMP, of a stream without an end.
    ['[info]   Duration: 00:00:00.00, start: 0.000000, bitrate: N/A', false],
    ['[error]   Duration: 00:00:06.00, start', false],
  ])('tells a recording by its length: %s', (line, finite) => {
    expect(reportOf(line).finite).toBe(finite);
  });

  test('tells a source without times, where that matters', async () => {
    const line = "[info] Input #0, mpjpeg, from 'http://127.0.0.1:8099/mjpeg':";
    const minding = reportOf(line);
    expect(minding.timeless).toBe(true);
    await minding.opened;
    const careless = new LiveReport({ mindsTimes: false });
    careless.line(line);
    expect(careless.timeless).toBe(false);
    expect(reportOf("[info] Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'x':").timeless).toBe(false);
  });

  test.each(['[hls @ 0x5577ad2f7980]', '[in#0 @ 0x5588e5258200]'])(
    'knows a playlist before its first segment, where it matters: %s',
    async (who) => {
      const line = `${who} [verbose] HLS request for url 'http://127.0.0.1:5/a/media.ts', offset 0, playlist 0`;
      const minding = new LiveReport({ mindsTimes: true, mindsPlaylists: true });
      minding.line(line);
      await minding.opened;
      expect(minding.playlist).toBe(true);
      expect(reportOf(line).playlist).toBe(false);
    },
  );

  test('is open with its first picture', async () => {
    const report = reportOf(scaled('640x360', '1/1', '640x360'));
    await report.opened;
  });

  test('takes any line without a word', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const report = reportOf(text, `[info] ${text}`, `[Parsed_scale_1 @ 0x1] [verbose] ${text}`);
        expect(report.frameSize === null || Number.isInteger(report.frameSize.width)).toBe(true);
      }),
    );
  });
});

test('what ffmpeg complains of keeps no address, with or without credentials', () => {
  const text = withoutAddresses(
    "[error] rtsp://user:pa'55@camera.example/live?key=1: refused\n'RTMPS://host/app/key' x",
  );
  expect(text).toBe("[error] (address) refused\n'(address) x");
});
