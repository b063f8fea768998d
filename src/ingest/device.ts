/**
 * Cameras of this machine: V4L2 on Linux, AVFoundation on macOS. An address `device:NAME` opens one, if the operator has
 * named exactly that; there is nothing to resolve, and nothing of it is on a network.
 */
import type { CheckedAddress, OpenedAddress } from './address-gate.ts';
import { refused } from './address-syntax.ts';

const SCHEME = 'device:';

/** ffmpeg's demuxers of cameras by the system. */
const FORMATS: Readonly<Partial<Record<NodeJS.Platform, string>>> = { linux: 'v4l2', darwin: 'avfoundation' };

/** The demuxer of this machine's cameras. Empty on a system of which none is known. */
export function deviceFormat(platform: NodeJS.Platform = process.platform): string {
  return FORMATS[platform] ?? '';
}

export function isDeviceAddress(address: string): boolean {
  return address.slice(0, SCHEME.length).toLowerCase() === SCHEME;
}

/** Errors: ADDRESS_REFUSED for whatever is not in the list, whether it exists or not. */
export function checkDevice(address: string, allowedDevices: readonly string[]): CheckedAddress {
  const name = address.slice(SCHEME.length);
  if (!allowedDevices.includes(name)) {
    throw refused('This device may not be opened; the operator can allow devices with ALLOWED_DEVICES.');
  }
  if (deviceFormat() === '') throw refused('Devices are opened on Linux and macOS alone.');
  return { kind: 'DEVICE', shownUrl: `${SCHEME}${name}` };
}

export function openDevice(checked: CheckedAddress): OpenedAddress {
  const inputUrl = deviceInput(checked.shownUrl.slice(SCHEME.length));
  return { ...checked, inputUrl, [Symbol.asyncDispose]: async () => {} };
}

/** What ffmpeg calls the device: AVFoundation's names are of a camera and, after a colon, of a microphone. */
export function deviceInput(name: string, platform: NodeJS.Platform = process.platform): string {
  return platform === 'darwin' ? `${name}:none` : name;
}
