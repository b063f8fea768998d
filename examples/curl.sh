#!/bin/sh
# Everything that the server does, by curl alone: a picture, a video, its frames as they come, its history.
#
#     examples/curl.sh PICTURE VIDEO [http://127.0.0.1:4000]
#
# Where the server has keys, put one into the environment as CIRCUMPLEX_KEY.
set -eu
picture=${1:?usage: examples/curl.sh PICTURE VIDEO [ADDRESS]}
video=${2:?usage: examples/curl.sh PICTURE VIDEO [ADDRESS]}
server=${3:-http://127.0.0.1:4000}
key="authorization: Bearer ${CIRCUMPLEX_KEY:-}"

# The value of the first "id" of an answer.
id_of() { sed -n 's/.*"id":"\([^"]*\)".*/\1/p'; }

# An operation without quotation marks of its own, and its variables.
ask() {
  curl -sS "$server/graphql" -H "$key" -H 'content-type: application/json' --data "{\"query\":\"$1\",\"variables\":$2}"
  echo
}

echo '# The faces of a picture. Multipart requests need the header, so that no web page can send them unasked.'
curl -sS "$server/graphql" -H "$key" -H 'x-graphql-yoga-csrf: 1' \
  -F 'operations={"query":"mutation ($files: [Upload!]!) { analyzeImage(input: { files: $files }) { results { name error { code message } analysis { id faces { box { x y width height } score affect { valence arousal quadrant } } } } } }","variables":{"files":[null]}}' \
  -F 'map={"0":["variables.files.0"]}' \
  -F "0=@$picture"
echo

echo '# A video of any size goes to the disk of the server first ...'
media=$(curl -sS -H "$key" -T "$video" "$server/media")
echo "$media"

echo '# ... and is scored by its id. The answer comes at once.'
started=$(ask 'mutation ($id: ID!) { analyzeVideo(input: { mediaId: $id, framesPerSecond: 5 }) { id status } }' \
  "{\"id\":\"$(echo "$media" | id_of)\"}")
echo "$started"
stream=$(echo "$started" | id_of)

echo '# Its frames, as server-sent events, until it ends.'
curl -sSN "$server/graphql" -H "$key" -H 'content-type: application/json' -H 'accept: text/event-stream' --data @- <<QUERY
{"query":"subscription (\$id: ID!) { frames(streamId: \$id) { sequence ptsSeconds faces { track { number } smoothed { valence arousal } } } }","variables":{"id":"$stream"}}
QUERY

echo '# What is kept of it.'
ask 'query ($id: ID!) { stream(id: $id) { status progress { framesDone facesFound } summary { tracks valence { mean deviation } arousal { mean deviation } } timeline(bucketSeconds: 1) { startSeconds faces valence { mean } } } }' \
  "{\"id\":\"$stream\"}"

echo '# And how it is erased.'
ask 'mutation ($id: ID!) { deleteStream(id: $id) { id frames faces tracks } }' "{\"id\":\"$stream\"}"
