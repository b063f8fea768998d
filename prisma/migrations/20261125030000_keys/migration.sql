-- CreateTable
CREATE TABLE "ApiKey" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "name" TEXT NOT NULL,
    "secretHash" TEXT NOT NULL,
    "scopes" TEXT NOT NULL,
    "limits" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "revokedAt" DATETIME,
    "lastUsedAt" DATETIME
);

-- AlterTable
ALTER TABLE "Stream" ADD COLUMN "ownerKeyId" TEXT;

-- AlterTable
ALTER TABLE "Image" ADD COLUMN "ownerKeyId" TEXT;

-- CreateIndex
CREATE INDEX "Stream_ownerKeyId_createdAt_id_idx" ON "Stream"("ownerKeyId", "createdAt", "id");
