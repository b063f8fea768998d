-- CreateTable
CREATE TABLE "Stream" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "kind" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "labels" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "sampling" TEXT NOT NULL,
    "media" TEXT,
    "uploadId" TEXT,
    "errorCode" TEXT,
    "errorMessage" TEXT,
    "warnings" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "startedAt" DATETIME,
    "endedAt" DATETIME
);

-- CreateTable
CREATE TABLE "Frame" (
    "streamId" TEXT NOT NULL,
    "sequence" INTEGER NOT NULL,
    "ptsSeconds" REAL NOT NULL,
    "capturedAt" DATETIME,
    "width" INTEGER NOT NULL,
    "height" INTEGER NOT NULL,
    "faceCount" INTEGER NOT NULL,
    "skippedBefore" INTEGER NOT NULL,
    "latencyMs" REAL NOT NULL,

    PRIMARY KEY ("streamId", "sequence"),
    CONSTRAINT "Frame_streamId_fkey" FOREIGN KEY ("streamId") REFERENCES "Stream" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "FaceEstimate" (
    "streamId" TEXT NOT NULL,
    "sequence" INTEGER NOT NULL,
    "trackNumber" INTEGER NOT NULL,
    "ptsSeconds" REAL NOT NULL,
    "score" REAL NOT NULL,
    "boxX" REAL NOT NULL,
    "boxY" REAL NOT NULL,
    "boxWidth" REAL NOT NULL,
    "boxHeight" REAL NOT NULL,
    "landmarks" TEXT NOT NULL,
    "valence" REAL NOT NULL,
    "arousal" REAL NOT NULL,
    "valenceSmoothed" REAL NOT NULL,
    "arousalSmoothed" REAL NOT NULL,
    "uncertainty" REAL NOT NULL,
    "neutral" REAL NOT NULL,
    "happiness" REAL NOT NULL,
    "sadness" REAL NOT NULL,
    "surprise" REAL NOT NULL,
    "fear" REAL NOT NULL,
    "disgust" REAL NOT NULL,
    "anger" REAL NOT NULL,
    "contempt" REAL NOT NULL,

    PRIMARY KEY ("streamId", "sequence", "trackNumber"),
    CONSTRAINT "FaceEstimate_streamId_sequence_fkey" FOREIGN KEY ("streamId", "sequence") REFERENCES "Frame" ("streamId", "sequence") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "Image" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "createdAt" DATETIME NOT NULL,
    "name" TEXT,
    "width" INTEGER NOT NULL,
    "height" INTEGER NOT NULL,
    "faces" TEXT NOT NULL,
    "latencyMs" REAL NOT NULL
);

-- CreateIndex
CREATE INDEX "Stream_createdAt_id_idx" ON "Stream"("createdAt", "id");

-- CreateIndex
CREATE INDEX "Stream_status_createdAt_idx" ON "Stream"("status", "createdAt");

-- CreateIndex
CREATE INDEX "Frame_streamId_ptsSeconds_idx" ON "Frame"("streamId", "ptsSeconds");

-- CreateIndex
CREATE INDEX "FaceEstimate_streamId_trackNumber_ptsSeconds_idx" ON "FaceEstimate"("streamId", "trackNumber", "ptsSeconds");

-- CreateIndex
CREATE INDEX "FaceEstimate_streamId_ptsSeconds_idx" ON "FaceEstimate"("streamId", "ptsSeconds");

-- CreateIndex
CREATE INDEX "Image_createdAt_id_idx" ON "Image"("createdAt", "id");
