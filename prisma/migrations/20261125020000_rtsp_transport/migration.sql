-- AlterTable
ALTER TABLE "Stream" ADD COLUMN "rtspTransport" TEXT;
