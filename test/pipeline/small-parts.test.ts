import { describe, expect, it } from 'vitest';
import type { MediaFacts } from '../../src/domain.ts';
import { PipelineCounters } from '../../src/pipeline/counters.ts';
import { checkLiveInput } from '../../src/pipeline/live-input.ts';
import { looksLikePicture, PICTURE_HEAD_BYTES } from '../../src/pipeline/picture-kind.ts';
import { LiveProgress, progressAtRest } from '../../src/pipeline/progress.ts';
import { checkSampling, checkWords } from '../../src/pipeline/stream-words.ts';
import { addWarnings } from '../../src/pipeline/warnings.ts';
import { face, frame } from '../store/support.ts';

const media: MediaFacts = {
  sizeBytes: 1000,
  durationSeconds: 10,
  width: 640,
  height: 360,
  rotationDegrees: 0,
  videoCodec: 'h264',
  container: 'mov',
  framesPerSecond: 25,
  startSeconds: 1.5,
};

describe('the progress of a stream', () => {
  it('is measured from where the medium begins', () => {
    const stored = { frames: 30, faces: 40, skipped: 0, lastPtsSeconds: 4 };
    expect(progressAtRest({ media, status: 'STOPPED' }, stored)).toEqual({
      framesDone: 30,
      facesFound: 40,
      framesSkipped: 0,
      mediaSecondsDone: 2.5,
      mediaSecondsTotal: 10,
      share: 0.25,
      speed: null,
      etaSeconds: null,
    });
  });

  it('has no share where nobody knows the length, and is whole once completed', () => {
    const stored = { frames: 1, faces: 0, skipped: 0, lastPtsSeconds: 2 };
    const endless = { ...media, durationSeconds: null };
    expect(progressAtRest({ media: endless, status: 'STOPPED' }, stored)).toMatchObject({ share: null });
    expect(progressAtRest({ media: endless, status: 'COMPLETED' }, stored)).toMatchObject({ share: 1 });
    expect(
      progressAtRest({ media: null, status: 'QUEUED' }, { frames: 0, faces: 0, skipped: 0, lastPtsSeconds: null })
        .share,
    ).toBeNull();
  });

  it('of a resumed job takes its speed from the frames since then alone', async () => {
    const live = new LiveProgress(media, { frames: 100, faces: 100, skipped: 0, lastPtsSeconds: 5.5 });
    expect(live.now()).toMatchObject({ framesDone: 100, speed: null, etaSeconds: null });
    live.frameStored({ ...frame('a', 0, [face(1), face(2)]), ptsSeconds: 6.5, skippedBefore: 3 });
    await new Promise((resolve) => setTimeout(resolve, 5));
    const { framesDone, facesFound, framesSkipped, mediaSecondsDone, speed, etaSeconds } = live.now();
    expect([framesDone, facesFound, framesSkipped, mediaSecondsDone]).toEqual([101, 102, 3, 5]);
    expect(speed).toBeGreaterThan(0);
    expect(speed! * etaSeconds!).toBeCloseTo(5, 6);
  });

  it('of a live stream that was away counts nothing of that time as work', async () => {
    const live = new LiveProgress(null, { frames: 100, faces: 0, skipped: 0, lastPtsSeconds: 10 });
    live.frameStored({ ...frame('a', 100), ptsSeconds: 3610 });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(live.now()).toMatchObject({ framesDone: 101, speed: null });
    live.frameStored({ ...frame('a', 101), ptsSeconds: 3610.005 });
    expect(live.now().speed).toBeGreaterThan(0);
    expect(live.now().speed).toBeLessThan(10);
  });
});

describe('the counters of live streams', () => {
  it('count each stall and each return, and forget what is not open any more', () => {
    const counters = new PipelineCounters();
    for (const status of ['CONNECTING', 'RUNNING', 'STALLED', 'RUNNING', 'STALLED', 'RECONNECTING'] as const) {
      counters.liveChanged('a', status);
    }
    counters.liveChanged('b', 'CONNECTING');
    const { live } = counters.statistics();
    expect(live).toMatchObject({ stalls: 2, reconnects: 0, streams: { CONNECTING: 1, RUNNING: 0, RECONNECTING: 1 } });
    for (const status of ['RECONNECTING', 'RUNNING', null] as const) counters.liveChanged('a', status);
    expect(counters.statistics().live).toMatchObject({ stalls: 2, reconnects: 1, streams: { RUNNING: 0 } });
  });

  it('count frames by their delivery, and those of other streams not at all', () => {
    const counters = new PipelineCounters();
    const estimate = { ...frame('a', 0, []), skippedBefore: 3 };
    const live = { address: null, rtspTransport: 'AUTO', maxWidthPixels: null, reconnects: 0, retry: null } as const;
    const settings = { smoothingSeconds: 0, trackMissSeconds: 1 };
    for (const kind of ['LIVE', 'PUSH'] as const) {
      counters.frameStored({ estimate, failure: null }, { kind, live: { ...live, ...settings, delivery: 'LATEST' } });
    }
    expect(counters.statistics()).toMatchObject({
      framesDone: 2,
      framesSkipped: 6,
      live: { frames: { LATEST: { scored: 1, skipped: 3 }, EVERY: { scored: 0, skipped: 0 } } },
    });
  });
});

describe('addWarnings', () => {
  it('adds up what is the same and keeps what differs', () => {
    const damaged = { code: 'MEDIA_DAMAGED', message: 'a', count: 2 } as const;
    const failed = { code: 'FRAMES_FAILED', message: 'b', count: 1 } as const;
    expect(addWarnings([damaged], [failed, damaged])).toEqual([{ ...damaged, count: 4 }, failed]);
    expect(addWarnings([], [])).toEqual([]);
  });
});

describe('the words of a stream', () => {
  it('are trimmed, with no labels for none', () => {
    expect(checkWords({ name: ' a.mp4 ' })).toEqual({ name: 'a.mp4', labels: [], retentionDays: null });
  });

  it.each([
    [{ name: '   ' }, 'name'],
    [{ name: 'x'.repeat(201) }, 'name'],
    [{ name: 'x', labels: Array(21).fill('x') as string[] }, 'labels'],
    [{ name: 'x', labels: [''] }, 'label'],
    [{ name: 'x', retentionDays: 0 }, 'retentionDays'],
    [{ name: 'x', retentionDays: 36_501 }, 'retentionDays'],
  ])('are refused: %j', (words, word) => {
    expect(() => checkWords(words)).toThrow(
      expect.objectContaining({ code: 'BAD_INPUT', message: expect.stringContaining(word) }),
    );
  });

  it.each([0, Number.NaN, -1, 1001, Number.POSITIVE_INFINITY])('take no rate of %d', (framesPerSecond) => {
    expect(() => checkSampling({ kind: 'RATE', framesPerSecond })).toThrow(
      expect.objectContaining({ code: 'BAD_INPUT', message: expect.stringContaining('rate') }),
    );
  });
});

describe('what is asked of a live stream', () => {
  const settings = { smoothingSeconds: 0.5, trackMissSeconds: 1 };
  const address = { kind: 'RTSP', shownUrl: 'rtsp://camera/' } as const;

  it('gets the settings where nothing was asked, five frames a second, and the newest of them', () => {
    expect(checkLiveInput({ url: 'rtsp://a:b@camera', name: ' door ' }, address, settings)).toEqual({
      name: 'door',
      labels: [],
      retentionDays: null,
      sampling: { kind: 'RATE', framesPerSecond: 5 },
      live: {
        ...settings,
        address: 'rtsp://camera/',
        delivery: 'LATEST',
        rtspTransport: 'AUTO',
        maxWidthPixels: null,
        reconnects: 0,
        retry: null,
      },
    });
  });

  it('is called by its address without secrets where it was given no name', () => {
    expect(checkLiveInput({ url: 'rtsp://a:b@camera' }, address, settings).name).toBe('rtsp://camera/');
  });

  it('may choose the transport of RTSP, and of nothing else', () => {
    const asked = { url: '', rtspTransport: 'UDP' } as const;
    expect(checkLiveInput(asked, address, settings).live.rtspTransport).toBe('UDP');
    expect(() => checkLiveInput(asked, { ...address, kind: 'RTMP' }, settings)).toThrow(
      expect.objectContaining({ code: 'BAD_INPUT', message: expect.stringContaining('rtspTransport') }),
    );
  });

  it.each([
    [{ framesPerSecond: 0 }, 'rate'],
    [{ maxWidthPixels: 15 }, 'maxWidthPixels'],
    [{ maxWidthPixels: 8193 }, 'maxWidthPixels'],
    [{ maxWidthPixels: 100.5 }, 'maxWidthPixels'],
    [{ smoothingSeconds: -0.1 }, 'smoothingSeconds'],
    [{ smoothingSeconds: 61 }, 'smoothingSeconds'],
    [{ trackMissSeconds: 0 }, 'trackMissSeconds'],
    [{ trackMissSeconds: Number.NaN }, 'trackMissSeconds'],
  ])('is refused: %j', (change, word) => {
    expect(() => checkLiveInput({ url: 'rtsp://camera', name: 'door', ...change }, address, settings)).toThrow(
      expect.objectContaining({ code: 'BAD_INPUT', message: expect.stringContaining(word) }),
    );
  });
});

describe('looksLikePicture', () => {
  const bytes = (text: string) =>
    Uint8Array.from(text, (character) => character.charCodeAt(0)).subarray(0, PICTURE_HEAD_BYTES);

  it.each([
    '\xff\xd8\xff\xe0',
    '\x89PNG\r\n\x1a\n',
    'GIF89a',
    'RIFF\x01\x02\x03\x04WEBPVP8 ',
    'II*\0',
    '\0\0\0\x20ftypavif',
  ])('knows %j', (head) => expect(looksLikePicture(bytes(head))).toBe(true));

  it.each(['', '\0\0\0\x20ftypisom', '\0\0\0\x14ftypqt  ', 'RIFF\x01\x02\x03\x04AVI ', '\x1aE\xdf\xa3', 'plain text'])(
    'leaves %j to the video decoder',
    (head) => expect(looksLikePicture(bytes(head))).toBe(false),
  );
});
