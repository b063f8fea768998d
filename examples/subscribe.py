"""Scores a video and prints every frame as it is scored, as CSV. Python's standard library is all it needs.

    python3 examples/subscribe.py VIDEO [http://127.0.0.1:4000]

The frames come as server-sent events. A lost connection is taken up again after the last frame that was received, so
that each frame is printed exactly once. Where the server has keys, put one into the environment as CIRCUMPLEX_KEY.
"""

import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

FRAMES = """subscription ($streamId: ID!, $after: Cursor) {
  frames(streamId: $streamId, after: $after) {
    cursor ptsSeconds
    faces { track { number } score affect { valence arousal } smoothed { valence arousal } uncertainty }
  }
}"""

KEY = os.environ.get("CIRCUMPLEX_KEY")
AUTHORIZATION = {} if KEY is None else {"authorization": f"Bearer {KEY}"}


def post(server: str, query: str, variables: dict, accept: str = "application/json"):
    """Sends one operation; the answer is open, to be read as it comes."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    headers = {"content-type": "application/json", "accept": accept, **AUTHORIZATION}
    return urllib.request.urlopen(urllib.request.Request(f"{server}/graphql", body, headers))


def analyze(server: str, path: str) -> str:
    """Sends a video of any size and gives the id of the stream that scores it."""
    with open(path, "rb") as video:
        headers = {"content-length": str(os.path.getsize(path)), "content-type": "application/octet-stream", **AUTHORIZATION}
        request = urllib.request.Request(f"{server}/media", video, headers, method="PUT")
        with urllib.request.urlopen(request) as answer:
            media_id = json.load(answer)["id"]
    start = "mutation ($input: AnalyzeVideoInput!) { analyzeVideo(input: $input) { id } }"
    with post(server, start, {"input": {"mediaId": media_id, "name": os.path.basename(path)}}) as answer:
        result = json.load(answer)
    if "errors" in result:
        raise SystemExit(result["errors"][0]["message"])
    return result["data"]["analyzeVideo"]["id"]


def events(server: str, variables: dict) -> Iterator[dict]:
    """The results of the subscription until it is complete; ends with an error where the connection is lost."""
    with post(server, FRAMES, variables, accept="text/event-stream") as answer:
        for line in answer:
            if line.startswith(b"event: complete"):
                return
            if line.startswith(b"data: {") and line.endswith(b"\n"):
                yield json.loads(line[len(b"data: ") :])
    raise ConnectionError("the events ended before their end")


def frames(server: str, stream_id: str) -> Iterator[dict]:
    """Every frame of the stream, each once, over as many connections as it takes."""
    after = None
    while True:
        try:
            for event in events(server, {"streamId": stream_id, "after": after}):
                if "errors" in event:
                    error = event["errors"][0]
                    if error["extensions"]["retryable"]:
                        raise ConnectionError(error["message"])
                    raise SystemExit(error["message"])
                frame = event["data"]["frames"]
                after = frame["cursor"]
                yield frame
            return
        except urllib.error.HTTPError:
            raise
        except (OSError, http.client.HTTPException) as lost:
            print(f"{lost}; trying again", file=sys.stderr)
            time.sleep(1)


def refusal(answer: urllib.error.HTTPError) -> str:
    """What the server says about a request that it refuses as a whole."""
    text = answer.read().decode(errors="replace")
    # A subscription is refused in its own form: lines of an event.
    events = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: {")]
    try:
        told = json.loads(events[0] if events else text)
        return (told["error"] if "error" in told else told["errors"][0])["message"]
    except (ValueError, KeyError, IndexError, TypeError):
        return str(answer)


def main() -> None:
    if len(sys.argv) < 2:
        raise SystemExit("usage: python3 examples/subscribe.py VIDEO [ADDRESS]")
    path = sys.argv[1]
    server = sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:4000"
    print("pts_seconds,track,score,valence,arousal,valence_smoothed,arousal_smoothed,uncertainty")
    for frame in frames(server, analyze(server, path)):
        for face in frame["faces"]:
            values = [
                face["score"],
                face["affect"]["valence"],
                face["affect"]["arousal"],
                face["smoothed"]["valence"],
                face["smoothed"]["arousal"],
                face["uncertainty"],
            ]
            rounded = ",".join(f"{value:.3f}" for value in values)
            print(f"{frame['ptsSeconds']:.3f},{face['track']['number']},{rounded}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except urllib.error.HTTPError as answer:
        raise SystemExit(refusal(answer)) from None
