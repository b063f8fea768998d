/** The house rules of src/ and web/src/: which folder may import which. ARCHITECTURE.md draws them. */

import { PAGE_LIBRARIES } from './scripts/page-libraries.mjs';

/** What a frame passes through, each alone with its idea. */
const STAGES = ['ingest', 'frames', 'faces', 'batches', 'model', 'estimates', 'store', 'publish'];
/** What everybody may use. */
const COMMON = ['flow/', 'generated/', 'domain\\.ts$', 'errors\\.ts$'];
/** Types and defaults of the settings and of the log: for those above the stages, who get them handed in. */
const SETTINGS = ['config\\.ts$', 'log\\.ts$'];

/** Of all of src/, `folder` may import itself and what `allowed` names. */
function only(folder, allowed, comment) {
  return {
    name: `${folder}-imports-only-what-it-may`,
    comment,
    severity: 'error',
    from: { path: `^src/${folder}/` },
    to: { path: '^src/', pathNot: [`^src/${folder}/`, `^src/(${allowed.join('|')})`] },
  };
}

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'no-circles',
      comment: 'Two files that need each other are one idea.',
      severity: 'error',
      from: { pathNot: '^src/generated/' },
      to: { circular: true },
    },
    ...STAGES.map((stage) =>
      only(stage, COMMON, 'A stage imports no other stage, only flow, domain and errors; pipeline joins them.'),
    ),
    only('flow', ['errors\\.ts$'], 'flow is generic.'),
    only('rows', COMMON, 'rows makes text of estimates, wherever they come from.'),
    only(
      'pipeline',
      [...COMMON, ...SETTINGS, ...STAGES.map((stage) => `${stage}/`)],
      'pipeline joins the stages and knows no transport.',
    ),
    only(
      'graphql',
      [...COMMON, ...SETTINGS, 'access/', 'pipeline/', 'store/', 'estimates/', 'rows/', 'metrics/'],
      'graphql talks to pipeline and store, for callers by the doors of access; estimates has the geometry that its fields are made of; rows and metrics make what it sends as text.',
    ),
    only(
      'cli',
      [...COMMON, ...SETTINGS, 'access/', 'pipeline/', 'store/', 'rows/'],
      'cli talks to pipeline and store; access makes its keys.',
    ),
    only(
      'access',
      [...COMMON, ...SETTINGS, 'pipeline/', 'store/'],
      'access says who asks and what is there for him; it knows no transport.',
    ),
    only(
      'metrics',
      [...COMMON, 'pipeline/', 'store/'],
      'metrics reads the figures that pipeline and store count; nobody below it knows that it exists.',
    ),
    {
      name: 'one-door-a-folder',
      comment: 'From outside a folder only its index.ts is imported.',
      severity: 'error',
      from: { path: '^src/([^/]+)/', pathNot: '^src/generated/' },
      to: { path: '^src/[^/]+/(?!index\\.ts$)', pathNot: ['^src/$1/', '^src/generated/'] },
    },
    {
      name: 'the-root-uses-doors-too',
      severity: 'error',
      from: { path: '^src/[^/]+\\.ts$' },
      to: { path: '^src/[^/]+/(?!index\\.ts$)' },
    },
    {
      name: 'parts-are-joined-in-one-place',
      comment: 'main, worker and the two start files make the parts; the other files of the root are words or tools.',
      severity: 'error',
      from: { path: '^src/[^/]+\\.ts$', pathNot: '^src/(main|worker|start-pipeline|start-server)\\.ts$' },
      to: { path: '^src/', pathNot: ['^src/[^/]+\\.ts$', '^src/flow/'] },
    },
    {
      name: 'nobody-imports-the-root-of-the-program',
      severity: 'error',
      from: { path: '^src/[^/]+/' },
      to: { path: '^src/(main|worker|start-pipeline|start-server|process-end|data-folder)\\.ts$' },
    },
    {
      name: 'fluent-ffmpeg-in-one-file',
      comment: 'It is archived, so it stays replaceable.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/ingest/ffmpeg-arguments\\.ts$' },
      to: { path: 'node_modules/(@types/)?fluent-ffmpeg' },
    },
    {
      name: 'prom-client-in-one-folder',
      comment: 'Everybody else counts in plain numbers.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/metrics/' },
      to: { path: 'node_modules/prom-client' },
    },
    {
      name: 'the-page-knows-the-schema-alone',
      comment: 'What the page has of the server is schema.graphql, by its generated operations.',
      severity: 'error',
      from: { path: '^web/' },
      to: { path: '^src/' },
    },
    {
      name: 'the-server-sends-the-page-and-knows-nothing-of-it',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^web/' },
    },
    {
      name: 'the-page-brings-what-notice-names',
      comment: 'Its libraries are part of what is published: scripts/notice.mjs lists them and their licences.',
      severity: 'error',
      from: { path: '^web/src/', pathNot: '^web/src/generated/' },
      to: { path: 'node_modules', pathNot: `node_modules/(${PAGE_LIBRARIES.join('|')})/` },
    },
    {
      name: 'no-development-dependency-at-run-time',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'everything-resolves',
      comment: 'But for a package of types alone, which the generated operations of the page name.',
      severity: 'error',
      from: { pathNot: '^web/src/generated/' },
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
