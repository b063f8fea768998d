import { platform } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deviceFormat, deviceInput } from '../../src/ingest/device.ts';
import { createAddressGate, LiveClock, openLiveSource } from '../../src/ingest/index.ts';
import { type MediaFolder, mediaFolder, pattern } from './fixtures/media.ts';

const signal = new AbortController().signal;
const hasCameras = deviceFormat() !== '';

describe('the address of a device', () => {
  it.runIf(hasCameras)('is opened when the operator has named exactly this one', async () => {
    const gate = createAddressGate({ allowedDevices: ['/dev/video0', 'FaceTime HD Camera'] });
    for (const name of ['/dev/video0', 'FaceTime HD Camera']) {
      const shown = { kind: 'DEVICE', shownUrl: `device:${name}` };
      expect(gate.check(`device:${name}`)).toEqual(shown);
      await using opened = await gate.open(`device:${name}`, { signal });
      expect(opened).toMatchObject({ ...shown, inputUrl: deviceInput(name) });
    }
  });

  it.each([
    'device:',
    'device:/dev/video1',
    'device:/dev/video00',
    'device:/dev/../dev/video0',
    'device:/dev/video0 ',
    'device:/DEV/VIDEO0',
    'device:///dev/video0',
    'device:%2Fdev%2Fvideo0',
    'device:/etc/passwd',
    'DEVICE:/dev/mem',
  ])('is refused otherwise: %s', async (address) => {
    const gate = createAddressGate({ allowedDevices: ['/dev/video0'], allowedHosts: ['0.0.0.0/0'] });
    expect(() => gate.check(address)).toThrow(expect.objectContaining({ code: 'ADDRESS_REFUSED' }));
    await expect(gate.open(address, { signal })).rejects.toMatchObject({ code: 'ADDRESS_REFUSED' });
  });

  it('is refused when nothing was allowed', () => {
    expect(() => createAddressGate().check('device:/dev/video0')).toThrow(
      expect.objectContaining({ code: 'ADDRESS_REFUSED', message: expect.stringContaining('ALLOWED_DEVICES') }),
    );
  });

  it('names no microphone on macOS', () => {
    expect([deviceFormat('darwin'), deviceInput('0', 'darwin')]).toEqual(['avfoundation', '0:none']);
    expect([deviceFormat('linux'), deviceInput('/dev/video0', 'linux')]).toEqual(['v4l2', '/dev/video0']);
    expect(deviceFormat('win32')).toBe('');
  });
});

describe.runIf(platform() === 'linux')('a device', () => {
  let folder: MediaFolder;
  beforeAll(async () => {
    folder = await mediaFolder();
    await folder.ffmpeg(`${pattern('64x48', 25, 1)} -c:v libx264 {video.mp4}`);
  });
  afterAll(() => folder[Symbol.asyncDispose]());

  async function failureOf(name: string): Promise<unknown> {
    const gate = createAddressGate({ allowedDevices: [name] });
    await using opened = await gate.open(`device:${name}`, { signal });
    const opening = openLiveSource(opened, {
      sampling: { kind: 'EVERY_FRAME' },
      maxSidePixels: 64,
      maxWidthPixels: null,
      fromFirst: false,
      clock: new LiveClock({ openedAtMs: Date.now(), lastPtsSeconds: null }),
      connectSeconds: 10,
      signal,
    });
    return opening.then(
      () => 'opened',
      (thrown: unknown) => thrown,
    );
  }

  it('that is not there is a source that cannot be reached', async () => {
    expect(await failureOf('/dev/video-of-nobody')).toMatchObject({
      code: 'SOURCE_UNREACHABLE',
      message: expect.stringContaining('no such device'),
    });
  });

  it.each(['/dev/null', 'VIDEO'])('that is no camera is not read as something else: %s', async (name) => {
    expect(await failureOf(name === 'VIDEO' ? folder.file('video.mp4') : name)).toMatchObject({
      code: 'SOURCE_UNREACHABLE',
      message: expect.stringContaining('as a camera'),
    });
  });
});
