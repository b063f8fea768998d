import type { Config, SettingName } from '../config.ts';
import type { KeyLimits } from '../domain.ts';

/** The limits of keys among the settings, by the word for them in the domain. */
export const KEY_LIMIT_SETTINGS = {
  openStreams: 'keyOpenStreams',
  requestsPerMinute: 'keyRequestsPerMinute',
  uploadsInFlight: 'keyUploadsInFlight',
  uploadBytesPerDay: 'keyUploadBytesPerDay',
  subscriptions: 'keySubscriptions',
  storedFrames: 'keyStoredFrames',
} as const satisfies Record<keyof KeyLimits, SettingName>;

export type KeyLimitConfig = Pick<Config, (typeof KEY_LIMIT_SETTINGS)[keyof KeyLimits]>;

/** The limits of keys that have none of their own. */
export function keyLimits(config: KeyLimitConfig): KeyLimits {
  const entries = Object.entries(KEY_LIMIT_SETTINGS).map(([word, setting]) => [word, config[setting]]);
  return Object.fromEntries(entries) as unknown as KeyLimits;
}
