/**
 * `npm run install:tensorflow-gpu`: adds TensorFlow for NVIDIA cards to this folder's node_modules, so that
 * `ENGINE=tensorflow` computes there. Nothing else in the repository asks for it, and package.json stays as it is.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const PACKAGE = '@tensorflow/tfjs-node-gpu';
/** Its last release calls functions that Node 23 has taken away. */
const FIRST_NODE_WITHOUT = 23;

const { peerDependencies } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const node = Number(process.versions.node.split('.')[0]);

console.log(`${PACKAGE} ${peerDependencies[PACKAGE]} needs:
- Linux or Windows on x64 with an NVIDIA card and its driver
- CUDA 11.2 and cuDNN 8.1, where the system's loader finds them
- Node older than ${FIRST_NODE_WITHOUT} (here: ${process.versions.node})
- a download of libtensorflow from storage.googleapis.com, several hundred MB
`);

/** Two steps, because npm takes an optional package whose own install script fails away again and calls it a success. */
const STEPS = [
  ['install', '--no-save', '--ignore-scripts', `${PACKAGE}@${peerDependencies[PACKAGE]}`],
  ['rebuild', '--foreground-scripts', '--ignore-scripts=false', PACKAGE],
];

if (node >= FIRST_NODE_WITHOUT) {
  console.error(`Node ${process.versions.node} cannot load it. Use Node 20 or 22.`);
  process.exitCode = 1;
} else if (STEPS.every(npm)) {
  console.log('Installed. Try it: ENGINE=tensorflow ENGINE_PROVIDER=cuda npm start');
} else {
  console.error(
    `${PACKAGE} is not installed; what npm says above tells why. ENGINE=tensorflow runs on wasm without it.`,
  );
  process.exitCode = 1;
}

function npm(argv) {
  const windows = process.platform === 'win32';
  return spawnSync(windows ? 'npm.cmd' : 'npm', argv, { stdio: 'inherit', shell: windows }).status === 0;
}
