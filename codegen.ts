import type { CodegenConfig } from '@graphql-codegen/cli';

const config: CodegenConfig = {
  schema: 'schema.graphql',
  generates: {
    /** Resolver types; the domain's own types stand behind the objects, so resolvers map nothing twice. */
    'src/generated/graphql.ts': {
      plugins: ['typescript', 'typescript-resolvers'],
      config: {
        useTypeImports: true,
        enumsAsTypes: true,
        avoidOptionals: { field: true },
        immutableTypes: true,
        contextType: '../graphql/context.ts#Context',
        scalars: {
          ID: 'string',
          DateTime: { input: 'Date', output: 'Date' },
          Cursor: { input: 'string', output: 'string' },
          Upload: { input: 'File | Promise<File>', output: 'never' },
        },
        mappers: {
          Stream: '../domain.ts#StreamRecord',
          ImageAnalysis: '../domain.ts#ImageAnalysis as ImageAnalysisModel',
          FrameEstimate: '../graphql/models.ts#FrameModel',
          FaceEstimate: '../graphql/models.ts#FaceModel',
          Affect: '../domain.ts#Affect as AffectModel',
          Engine: '../graphql/models.ts#EngineModel',
          Track: '../graphql/models.ts#TrackModel',
        },
      },
    },
    /** The page's own operations, each with the types of its variables and its answer. */
    'web/src/generated/': {
      documents: 'web/src/server/operations.graphql',
      preset: 'client',
      presetConfig: { fragmentMasking: false },
      config: {
        documentMode: 'string',
        useTypeImports: true,
        enumsAsTypes: true,
        immutableTypes: true,
        scalars: { ID: 'string', DateTime: 'string', Cursor: 'string', Upload: 'File' },
      },
    },
  },
};

export default config;
