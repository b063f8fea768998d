import { expect, test } from 'vitest';
import { isPicture, labelsOf, liveInput, videoInput } from '../../web/src/streams/source-input.ts';

test('what the form leaves empty is left to the server', () => {
  expect(liveInput({ url: ' rtsp://camera/1 ', name: ' ', framesPerSecond: '', labels: '' })).toEqual({
    url: 'rtsp://camera/1',
    labels: [],
  });
  expect(liveInput({ url: 'udp://:1', name: ' door ', framesPerSecond: '2.5', labels: 'a, b' })).toEqual({
    url: 'udp://:1',
    name: 'door',
    framesPerSecond: 2.5,
    labels: ['a', 'b'],
  });
  const video = { mediaId: 'm', name: 'clip.mp4', labels: 'one' };
  expect(videoInput({ ...video, framesPerSecond: '' }).framesPerSecond).toBeNull();
  expect(videoInput({ ...video, framesPerSecond: '5' })).toMatchObject({ framesPerSecond: 5, labels: ['one'] });
});

test('labels stand between commas', () => {
  expect(labelsOf(' day 1,, happy faces , ')).toEqual(['day 1', 'happy faces']);
});

test('a picture is known by its kind, or by its name where a browser gives none', () => {
  expect(isPicture({ type: 'image/heic', name: 'a' })).toBe(true);
  expect(isPicture({ type: '', name: 'a.TIFF' })).toBe(true);
  expect(isPicture({ type: 'video/mp4', name: 'a.mp4' })).toBe(false);
  expect(isPicture({ type: '', name: 'a.mkv' })).toBe(false);
});
