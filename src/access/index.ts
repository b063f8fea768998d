export type { Caller } from './caller.ts';
export { type CallerPipeline, type CallerStore, type Doors, openDoors } from './doors.ts';
export { hashSecret, makeKey } from './key-text.ts';
export { type Keyring, openKeyring } from './keyring.ts';
export { KEY_LIMIT_SETTINGS } from './limits.ts';
