/** The camera of this device: one owner, who stops it. */
import { Failure } from '../server/failure.ts';

/** Larger pictures cost time and find no more faces at a desk. */
const SENT_WIDTH_PIXELS = 640;
const JPEG_QUALITY = 0.85;

/** Shows the camera in `video` until `signal` is aborted. Errors: Failure, what the browser says. */
export async function showCamera(video: HTMLVideoElement, ending: AbortController): Promise<void> {
  if (navigator.mediaDevices === undefined) {
    throw new Failure({ message: 'Browsers give the camera to pages on localhost, 127.0.0.1 or https alone.' });
  }
  const wanted = { video: { width: { ideal: 1280 }, facingMode: 'user' }, audio: false };
  const camera = await navigator.mediaDevices.getUserMedia(wanted);
  const stop = () => {
    for (const track of camera.getTracks()) track.stop();
    video.srcObject = null;
  };
  if (ending.signal.aborted) stop();
  else ending.signal.addEventListener('abort', stop, { once: true });
  ending.signal.throwIfAborted();
  camera.getVideoTracks()[0]?.addEventListener('ended', () => {
    ending.abort(new Failure({ message: 'The camera is gone.' }));
  });
  video.srcObject = camera;
  await video.play();
}

/**
 * The present picture as JPEG. Not by toBlob: Chromium encodes there when it is idle, after up to a second on a busy machine
 * (measured: 72 to 172 ms in the middle; this way 6 ms).
 */
export function takePicture(video: HTMLVideoElement): File {
  const canvas = document.createElement('canvas');
  canvas.width = Math.min(SENT_WIDTH_PIXELS, video.videoWidth);
  canvas.height = Math.round((canvas.width * video.videoHeight) / Math.max(1, video.videoWidth));
  canvas.getContext('2d')?.drawImage(video, 0, 0, canvas.width, canvas.height);
  const [kind, base64 = ''] = canvas.toDataURL('image/jpeg', JPEG_QUALITY).split(',');
  if (kind !== 'data:image/jpeg;base64') throw new Failure({ message: 'The camera gives no picture.' });
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  return new File([bytes], 'frame.jpg', { type: 'image/jpeg' });
}

/** Times of this clock always rise, also where somebody sets the one of the system. */
export function risingClock(): () => string {
  let lastMs = 0;
  return () => {
    lastMs = Math.max(performance.timeOrigin + performance.now(), lastMs + 1);
    return new Date(lastMs).toISOString();
  };
}
