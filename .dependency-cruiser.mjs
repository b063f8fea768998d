/** The house rules of src/: which folder may import which. ARCHITECTURE.md says why. */
const STAGES = ['ingest', 'frames', 'faces', 'batches', 'model', 'estimates', 'store', 'publish'];
const COMMON = ['flow', 'domain\\.ts$', 'errors\\.ts$', 'generated'];
const inSource = (names) => `^src/(${names.join('|')})`;

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'no-circles',
      comment: 'Two files that need each other are one idea.',
      severity: 'error',
      from: { pathNot: '^src/generated' },
      to: { circular: true },
    },
    ...STAGES.map((stage) => ({
      name: `stage-${stage}-stands-alone`,
      comment: 'A stage imports no other stage, only flow, domain and errors; pipeline joins them.',
      severity: 'error',
      from: { path: `^src/${stage}/` },
      to: { path: '^src/', pathNot: [`^src/${stage}/`, inSource(COMMON)] },
    })),
    {
      name: 'flow-knows-no-domain',
      comment: 'flow is generic.',
      severity: 'error',
      from: { path: '^src/flow/' },
      to: { path: '^src/', pathNot: ['^src/flow/', '^src/errors\\.ts$'] },
    },
    {
      name: 'transports-talk-to-pipeline-and-store',
      comment: 'graphql and cli use what the pipeline and the store offer, nothing below them.',
      severity: 'error',
      from: { path: '^src/graphql/' },
      to: { path: inSource(STAGES.filter((stage) => stage !== 'store' && stage !== 'estimates')) },
    },
    {
      name: 'one-door-a-folder',
      comment: 'From outside a folder only its index.ts is imported.',
      severity: 'error',
      from: { path: '^src/([^/]+)/' },
      to: { path: '^src/([^/]+)/(?!index\\.ts$)', pathNot: ['^src/$1/', '^src/generated/'] },
    },
    {
      name: 'the-root-uses-doors-too',
      severity: 'error',
      from: { path: '^src/[^/]+\\.ts$' },
      to: { path: '^src/[^/]+/(?!index\\.ts$)', pathNot: '^src/generated/' },
    },
    {
      name: 'fluent-ffmpeg-in-one-file',
      comment: 'It is archived, so it stays replaceable.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/ingest/ffmpeg-arguments\\.ts$' },
      to: { path: 'fluent-ffmpeg' },
    },
    {
      name: 'no-development-dependency-at-run-time',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'everything-resolves',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default'] },
  },
};
