-- AlterTable
ALTER TABLE "Stream" ADD COLUMN "analysis" TEXT;

-- AlterTable
ALTER TABLE "Image" ADD COLUMN "analysis" TEXT;
