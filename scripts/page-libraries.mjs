/** Libraries that are built into the page, and so are part of what is published; web/src may import no others. */
export const PAGE_LIBRARIES = ['graphql-ws', 'preact', 'uplot'];
