import type { ImageAnalysis } from '../domain.ts';
import type { Prisma } from '../generated/prisma/client.ts';
import { checkFirst } from './checks.ts';
import type { Database } from './database.ts';
import type { Erasing } from './erasing.ts';
import { NEWEST_FIRST, olderThan } from './newest-first.ts';
import { toImage } from './rows.ts';
import type { ImageQuery, Page } from './types.ts';

/** Pictures erased in one statement: some kilobytes each. */
const DELETED_AT_ONCE = 400;

/** Newest first. */
export async function listImages(
  database: Database,
  { first, after, ownerKeyId }: ImageQuery,
): Promise<Page<ImageAnalysis>> {
  checkFirst(first);
  const conditions: Prisma.ImageWhereInput[] = [];
  if (ownerKeyId !== undefined) conditions.push({ ownerKeyId });
  if (after !== undefined) conditions.push(olderThan(after));
  const rows = await database.image.findMany({
    where: { AND: conditions },
    orderBy: [...NEWEST_FIRST],
    take: first + 1,
  });
  return { items: rows.slice(0, first).map(toImage), hasNextPage: rows.length > first };
}

/** Whether there was one. */
export async function deleteImage(database: Database, id: string, { step, emptyLog }: Erasing): Promise<boolean> {
  const { count } = await step(() => database.image.deleteMany({ where: { id } }));
  if (count > 0) await emptyLog();
  return count > 0;
}

/** Erases what was made before a moment, in steps, and resolves with the number of images. */
export async function deleteImagesBefore(
  database: Database,
  moment: Date,
  { step, emptyLog }: Erasing,
): Promise<number> {
  let images = 0;
  let deleted: number;
  do {
    deleted = await step(async () => {
      const where = { createdAt: { lt: moment } };
      const oldest = await database.image.findMany({ where, select: { id: true }, take: DELETED_AT_ONCE });
      if (oldest.length === 0) return 0;
      return (await database.image.deleteMany({ where: { id: { in: oldest.map(({ id }) => id) } } })).count;
    });
    images += deleted;
  } while (deleted > 0);
  if (images > 0) await emptyLog();
  return images;
}
