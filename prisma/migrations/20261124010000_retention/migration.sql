-- AlterTable
ALTER TABLE "Stream" ADD COLUMN "retentionDays" REAL;
