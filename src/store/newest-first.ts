/** Lists by the time at which their items were made, newest first; those of the same moment by their ids. */

/** As Prisma takes it. */
export const NEWEST_FIRST = [{ createdAt: 'desc' }, { id: 'desc' }] as const;

/** What follows a place in such a list. */
export function olderThan({ createdAt, id }: { readonly createdAt: Date; readonly id: string }) {
  return { OR: [{ createdAt: { lt: createdAt } }, { createdAt, id: { lt: id } }] };
}
