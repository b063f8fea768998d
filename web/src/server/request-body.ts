/** A GraphQL request as JSON, or as multipart where files are among its variables. */
export interface RequestBody {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | FormData;
}

/**
 * Files may stand at the top of the variables, or in a list there. They travel as their own parts
 * (https://github.com/jaydenseric/graphql-multipart-request-spec).
 */
export function requestBody(query: string, variables: Readonly<Record<string, unknown>>): RequestBody {
  const files: { readonly path: string; readonly file: Blob }[] = [];
  const withoutFiles = Object.fromEntries(
    Object.entries(variables).map(([name, value]) => [name, takeFiles(value, `variables.${name}`)]),
  );

  function takeFiles(value: unknown, path: string): unknown {
    if (Array.isArray(value)) return value.map((item: unknown, index) => takeFiles(item, `${path}.${index}`));
    if (!(value instanceof Blob)) return value;
    files.push({ path, file: value });
    return null;
  }

  const operations = JSON.stringify({ query, variables: withoutFiles });
  if (files.length === 0) return { headers: { 'content-type': 'application/json' }, body: operations };
  const form = new FormData();
  form.append('operations', operations);
  form.append('map', JSON.stringify(Object.fromEntries(files.map(({ path }, index) => [index, [path]]))));
  for (const [index, { file }] of files.entries()) {
    form.append(String(index), file, file instanceof File ? file.name : 'frame.jpg');
  }
  return { headers: { 'x-graphql-yoga-csrf': '1' }, body: form };
}
