export { type ExportSource, exportRows } from './export-rows.ts';
export {
  asOutputFormat,
  COLUMNS,
  createRowWriter,
  OUTPUT_FORMATS,
  type OutputFormat,
  type RowWriter,
} from './row-writer.ts';
