-- AlterTable
ALTER TABLE "Stream" ADD COLUMN "revision" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "Stream" ADD COLUMN "address" TEXT;
ALTER TABLE "Stream" ADD COLUMN "secretAddress" TEXT;
ALTER TABLE "Stream" ADD COLUMN "delivery" TEXT;
ALTER TABLE "Stream" ADD COLUMN "maxWidthPixels" INTEGER;
ALTER TABLE "Stream" ADD COLUMN "smoothingSeconds" REAL;
ALTER TABLE "Stream" ADD COLUMN "trackMissSeconds" REAL;
ALTER TABLE "Stream" ADD COLUMN "reconnects" INTEGER;
ALTER TABLE "Stream" ADD COLUMN "retry" TEXT;
