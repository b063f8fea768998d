import type { CodegenConfig } from '@graphql-codegen/cli';

/** Resolver types of schema.graphql; the domain's own types stand behind the objects, so resolvers map nothing twice. */
const config: CodegenConfig = {
  schema: 'schema.graphql',
  generates: {
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
  },
};

export default config;
