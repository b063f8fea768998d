import { useEffect, useRef, useState } from 'preact/hooks';

interface LocalVideoProps {
  /** The video on this device. It is not sent. */
  readonly file: File;
  /** Where somebody wants to look; a new object for each wish. */
  readonly wanted: { readonly seconds: number } | null;
  /** Told the media time of each picture that is shown. */
  readonly onShown: (seconds: number) => void;
}

/**
 * A video of this device, to be seen under its estimates. Browsers give pictures the container's own times, as the server
 * does (Chromium 156 with MP4 and WebM that start at 5 s or at their first picture's 0.08 s).
 */
export function LocalVideo({ file, wanted, onShown }: LocalVideoProps) {
  const element = useRef<HTMLVideoElement>(null);
  const [address, setAddress] = useState<string | null>(null);
  const [isRefused, setRefused] = useState(false);
  const told = useRef(onShown);
  told.current = onShown;

  useEffect(() => {
    const made = URL.createObjectURL(file);
    setAddress(made);
    setRefused(false);
    return () => URL.revokeObjectURL(made);
  }, [file]);

  useEffect(() => {
    const video = element.current;
    if (video === null || address === null) return;
    let handle = 0;
    const shown: VideoFrameRequestCallback = (_, { mediaTime }) => {
      told.current(mediaTime);
      handle = video.requestVideoFrameCallback(shown);
    };
    if ('requestVideoFrameCallback' in video) {
      handle = video.requestVideoFrameCallback(shown);
      return () => video.cancelVideoFrameCallback(handle);
    }
    const late = () => told.current((video as HTMLVideoElement).currentTime);
    (video as HTMLVideoElement).addEventListener('timeupdate', late);
    return () => (video as HTMLVideoElement).removeEventListener('timeupdate', late);
  }, [address]);

  useEffect(() => {
    const video = element.current;
    if (video !== null && wanted !== null) video.currentTime = wanted.seconds;
  }, [wanted]);

  if (isRefused)
    return <p class="quiet cover">This browser does not play {file.name}; its boxes are here all the same.</p>;
  return (
    // biome-ignore lint/a11y/useMediaCaption: the video of whoever looks at it
    <video ref={element} src={address ?? undefined} controls playsinline onError={() => setRefused(true)} />
  );
}
